"""Webhooks over the API: named, changed, turned, ended; their log; and nobody else's."""

from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from farm.api.services import Services
from farm.api.v1.watching import Word
from shared import hookrows, jobstore
from shared.assets import Asset, add_assets, add_verdict
from shared.hookrows import MOST, Webhook
from shared.hooks import WORDS, secret_of
from shared.jobs import JobState
from tests.farm.api.conftest import PEPPER, NewKey, Open
from tests.farm.api.hooks.conftest import Drawn
from tests.farm.api.receiver import Receiver
from tests.shared.rows import Ruling, bring_to
from tests.shared.strangers import LINKS

URL = "https://1.1.1.1/told"  # public, and no name to look up


async def made(client: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json={"url": URL} | wanted)
    assert answer.status_code == 201
    return answer.json()


def test_the_words_of_requests_are_those_of_the_desk() -> None:
    assert set(get_args(Word)) == set(WORDS) - {"progress"}


async def test_a_webhook_is_named_and_its_secret_shown_once(client: httpx.AsyncClient) -> None:
    new = await made(client, events=["completed"])
    assert new["secret"] == secret_of(UUID(new["id"]), 0, PEPPER)
    assert new["events"] == ["job.succeeded", "job.failed", "job.blocked", "job.cancelled"]
    (listed,) = (await client.get("/v1/webhooks")).json()["data"]
    assert listed == (await client.get(f"/v1/webhooks/{new['id']}")).json()
    assert listed == {name: value for name, value in new.items() if name != "secret"}


async def test_another_secret_and_another_for_jobs(client: httpx.AsyncClient) -> None:
    new = await made(client)
    turned = (await client.post(f"/v1/webhooks/{new['id']}/rotate")).json()
    assert turned["secret"] == secret_of(UUID(new["id"]), 1, PEPPER)
    first = (await client.get("/v1/webhooks/secret")).json()
    secrets = [(await client.post("/v1/webhooks/secret/rotate")).json()["secret"] for _ in range(2)]
    assert (await client.get("/v1/webhooks/secret")).json()["secret"] == secrets[1]
    assert len({first["secret"], *secrets, new["secret"], turned["secret"]}) == 5
    assert first["rotated_at"] is None


async def test_an_address_that_may_not_be_told_is_not_named(client: httpx.AsyncClient) -> None:
    """More of them, at the desk's own tests; here, that each is answered for."""
    for url in (*LINKS[:16], "http://1.1.1.1/", "https://no-such-host.invalid/"):
        answer = await client.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["field"]) == (422, "url")
        assert answer.json()["code"] in ("bad_webhook", "webhook_unreachable")
    assert (await client.get("/v1/webhooks")).json()["data"] == []


async def test_nor_is_a_good_one_turned_into_such(client: httpx.AsyncClient) -> None:
    new = await made(client)
    where = f"/v1/webhooks/{new['id']}"
    answer = await client.patch(where, json={"url": "https://127.0.0.1/", "events": ["start"]})
    assert answer.json()["code"] == "bad_webhook"
    assert (await client.get(where)).json()["events"] == new["events"]


BAD = (
    "{}",
    '{"url": ""}',
    '{"url": 7}',
    '{"url": "https://1.1.1.1/\\u0000"}',
    '{"url": "https://1.1.1.1/\\ud800"}',
    '{"url": "https://1.1.1.1/", "events": ["job.eaten"]}',
    '{"url": "https://1.1.1.1/", "events": ["logs"]}',
    '{"url": "https://1.1.1.1/", "more": 1}',
    '{"url": "https://' + "a" * 3000 + '"}',
)


async def test_what_is_no_webhook_is_refused_by_its_field(client: httpx.AsyncClient) -> None:
    kind = {"Content-Type": "application/json"}
    for body in BAD:
        answer = await client.post("/v1/webhooks", content=body, headers=kind)
        assert answer.status_code == 422, body
        assert answer.json()["field"]


async def test_there_is_a_limit_and_jobs_own_do_not_count(
    client: httpx.AsyncClient, services: Services, drawn: Drawn
) -> None:
    for _ in range(MOST):
        await made(client)
    answer = await client.post("/v1/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")
    job = await drawn(JobState.WAITING)
    about: dict[str, Any] = {"url": URL, "events": ("job.started",), "dialect": "pictor"}
    async with services.database.begin() as session:
        account = await session.scalar(text("select id from accounts"))
        await hookrows.attach(session, account, job, **about)
    (one,) = (await client.get("/v1/webhooks", params={"job": str(job)})).json()["data"]
    assert (one["job"], one["events"]) == (str(job), ["job.started"])
    assert (await client.post(f"/v1/webhooks/{one['id']}/rotate")).status_code == 409


async def test_what_is_off_is_told_nothing_and_what_waited_is_given_up(
    client: httpx.AsyncClient, drawn: Drawn
) -> None:
    new = await made(client)
    where = f"/v1/webhooks/{new['id']}"
    await drawn(JobState.WAITING)
    off = (await client.patch(where, json={"enabled": False})).json()
    assert (off["enabled"], off["off_because"]) == (False, "Its owner switched it off.")
    await drawn(JobState.WAITING)
    (row,) = (await client.get(f"{where}/deliveries")).json()["data"]
    assert (row["state"], row["error"]) == ("given_up", "Its owner switched it off.")
    on = (await client.patch(where, json={"enabled": True})).json()
    assert (on["enabled"], on["off_because"]) == (True, None)
    await drawn(JobState.WAITING)
    assert len((await client.get(f"{where}/deliveries")).json()["data"]) == 2


async def test_what_is_ended_is_gone(client: httpx.AsyncClient, drawn: Drawn) -> None:
    new = await made(client)
    assert (await client.delete(f"/v1/webhooks/{new['id']}")).status_code == 204
    assert (await client.delete(f"/v1/webhooks/{new['id']}")).status_code == 404
    assert (await client.get("/v1/webhooks")).json()["data"] == []


async def test_a_ping_arrives_and_a_delivery_is_told_again_under_its_id(
    client: httpx.AsyncClient, receiver: Receiver, sending: None
) -> None:
    new = await made(client, url=receiver.url)
    where = f"/v1/webhooks/{new['id']}"
    sent = (await client.post(f"{where}/ping")).json()
    await receiver.until(lambda: receiver.told)
    again = await client.post(f"{where}/deliveries/{sent['id']}/redeliver")
    assert again.status_code == 202
    await receiver.until(lambda: len(receiver.told) == 2)
    assert [one.id for one in receiver.told] == [sent["id"]] * 2
    assert [one.type for one in receiver.told] == ["ping"] * 2
    assert all(one.is_signed_by(new["secret"]) for one in receiver.told)


async def test_the_log_is_read_in_pages_and_by_state(
    client: httpx.AsyncClient, services: Services, drawn: Drawn
) -> None:
    new = await made(client)
    where = f"/v1/webhooks/{new['id']}/deliveries"
    await drawn()
    first = (await client.get(where, params={"limit": 2})).json()
    rest = (await client.get(where, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    events = [one["event"] for one in (*first["data"], *rest["data"])]
    assert events == ["job.succeeded", "job.started", "job.waiting"]
    assert rest["next_cursor"] is None
    assert {one["state"] for one in first["data"]} == {"open"}
    assert (await client.get(where, params={"state": "delivered"})).json()["data"] == []
    wrong = {"cursor": "17", "limit": "0", "state": "eaten"}
    for name, value in wrong.items():
        assert (await client.get(where, params={name: value})).status_code == 422


async def test_a_webhook_is_nobody_elses(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, hook: Webhook, drawn: Drawn
) -> None:
    """Every route that names one answers as if there were none, and changes nothing."""
    other = await client_of(await new_key("2002"))
    job = await drawn(JobState.WAITING)
    (row,) = (await client.get(f"/v1/webhooks/{hook.id}/deliveries")).json()["data"]
    for owner, found in ((other, 404), (client, 200)):
        where = f"/v1/webhooks/{hook.id}"
        answers = [
            await owner.get(where),
            await owner.patch(where, json={"enabled": True}),
            await owner.get(f"{where}/deliveries"),
            await owner.post(f"{where}/ping"),
            await owner.post(f"{where}/deliveries/{row['id']}/redeliver"),
            await owner.post(f"{where}/rotate"),
            await owner.delete(where),
        ]
        assert [one.status_code // 200 for one in answers] == [found // 200] * len(answers)
    assert (await other.get("/v1/webhooks", params={"job": str(job)})).json()["data"] == []
    none = await client.get(f"/v1/webhooks/{uuid4()}")
    assert none.json()["code"] == (await other.get(f"/v1/webhooks/{hook.id}")).json()["code"]


async def test_a_key_without_the_scope_keeps_no_webhooks(client_of: Open, new_key: NewKey) -> None:
    client = await client_of(await new_key(scopes=("read", "draw")))
    assert (await client.get("/v1/webhooks")).status_code == 403


async def test_a_job_is_asked_for_with_its_webhook_or_not_at_all(
    client: httpx.AsyncClient, receiver: Receiver, services: Services
) -> None:
    asked = {"prompt": "a red sailboat", "webhook": receiver.url}
    job = (await client.post("/v1/jobs", json=asked | {"webhook_events_filter": ["start"]})).json()
    (one,) = (await client.get("/v1/webhooks", params={"job": job["id"]})).json()["data"]
    assert (one["url"], one["events"]) == (receiver.url, ["job.started"])
    for wrong, field in (
        ({"webhook": "https://10.0.0.1/"}, "webhook"),
        ({"webhook_events_filter": ["logs"]}, "webhook_events_filter"),
    ):
        answer = await client.post("/v1/jobs", json=asked | wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    async with services.database.read() as session:
        assert await session.scalar(text("select count(*) from jobs")) == 1


async def test_pictures_that_were_had_before_are_told_of_at_once(
    client: httpx.AsyncClient, services: Services
) -> None:
    asked = {"prompt": "a red sailboat --seed 7", "reuse": True}
    job_id = UUID((await client.post("/v1/jobs", json=asked)).json()["id"])
    async with services.database.begin() as session:
        (job,) = await jobstore.waiting(session)
        await bring_to(session, job, JobState.SUCCEEDED)
        seen = await add_verdict(session, job.id, "image", Ruling(), attempt=1)
        files = [
            Asset(job.id, "image", n, f"k{n}", "0" * 64, 1, 64, 64, "image/webp") for n in range(4)
        ]
        await add_assets(session, [(one, seen) for one in files])
    about = {"webhook": URL, "webhook_events_filter": ["completed"]}
    again = (await client.post("/v1/jobs", json=asked | about)).json()
    assert (again["id"], again["reused"]) == (str(job_id), True)
    (one,) = (await client.get("/v1/webhooks", params={"job": str(job_id)})).json()["data"]
    log = (await client.get(f"/v1/webhooks/{one['id']}/deliveries")).json()["data"]
    assert [row["event"] for row in log] == ["job.succeeded"]
