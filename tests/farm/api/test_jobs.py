"""Jobs over the API: made at the same desk, told as predictions, and nobody else's business."""

from uuid import uuid4

import httpx

from farm.api.services import Services
from shared import jobstore
from shared.jobs import JobState
from tests.farm.api.conftest import NewKey, Open
from tests.shared.rows import bring_to

PROMPT = {"prompt": "a red sailboat --seed 7"}


async def made(client: httpx.AsyncClient, **asked: object) -> dict[str, object]:
    answer = await client.post("/v1/jobs", json=PROMPT | asked)
    assert answer.status_code == 201, answer.text
    told: dict[str, object] = answer.json()
    return told


async def test_a_prompt_becomes_a_job(client: httpx.AsyncClient) -> None:
    job = await made(client, aspect="3:2", metadata={"order": "17"})
    assert (job["object"], job["status"], job["state"]) == ("prediction", "starting", "waiting")
    assert job["input"]["prompt"] == "a red sailboat --seed 7 --ar 3:2"  # type: ignore[index]
    assert (job["seed"], job["metadata"]) == (7, {"order": "17"})
    assert (await client.get(f"/v1/jobs/{job['id']}")).json()["id"] == job["id"]


async def test_what_succeeded_shows_its_pictures(
    client: httpx.AsyncClient, services: Services
) -> None:
    job = await made(client)
    async with services.database.begin() as session:
        row = await jobstore.by_submission(session, "")
        assert row is None
        (row,) = await jobstore.waiting(session)
        await bring_to(session, row, JobState.SUCCEEDED)
    told = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert (told["status"], told["progress"], told["error"]) == ("succeeded", 1.0, None)
    assert told["metrics"]["charged_ms"] == 900


async def test_what_the_grammar_refuses_names_its_field(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", json={"prompt": "a boat --ar 20"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (
        422,
        "invalid_value",
        "aspect",
    )


async def test_what_two_places_say_must_agree(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", json=PROMPT | {"seed": 8})
    assert (answer.status_code, answer.json()["field"]) == (422, "seed")


async def test_others_jobs_are_not_there(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey
) -> None:
    job = await made(client)
    other = await client_of(await new_key("1002"))
    for answer in (
        await other.get(f"/v1/jobs/{job['id']}"),
        await other.post(f"/v1/jobs/{job['id']}/cancel"),
        await other.get(f"/v1/jobs/{uuid4()}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    assert (await other.get("/v1/jobs")).json()["data"] == []


async def test_a_cancelled_job_is_cancelled_once(client: httpx.AsyncClient) -> None:
    job = await made(client)
    first = await client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    again = await client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


async def test_pages_lose_none_and_repeat_none(client: httpx.AsyncClient) -> None:
    ids = [(await made(client))["id"] for _ in range(3)]
    first = (await client.get("/v1/jobs", params={"limit": 2})).json()
    rest = (await client.get("/v1/jobs", params={"cursor": first["next_cursor"]})).json()
    assert [one["id"] for one in first["data"] + rest["data"]] == ids[::-1]
    assert rest["next_cursor"] is None


NONSENSE: list[dict[str, object]] = [
    {"prompt": "a\x00boat", "metadata": {"a": "\x00"}},
    {"prompt": "a boat", "metadata": {"a\x00": "b"}},
    {"prompt": "a boat", "seed": 10**400},
    {"prompt": "a boat", "unknown": 1},
    {"prompt": "a boat", "style_refs": ["--seed 5"]},
    {"prompt": "a boat", "negative": ["birds --seed 5"]},
    {"prompt": ""},
]


async def test_nonsense_is_refused(client: httpx.AsyncClient) -> None:
    for asked in NONSENSE:
        assert (await client.post("/v1/jobs", json=asked)).status_code == 422, asked
    for cursor in ("nonsense", "AAAA", "é", "%00", "\x00"):
        assert (await client.get("/v1/jobs", params={"cursor": cursor})).status_code == 422
