"""The moderators' desk over the API: the same desk, and nobody who is none sits down at it."""

from io import BytesIO
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image

from farm.api.services import Services
from shared import assets, jobstore
from shared.assets import Asset
from shared.jobs import Job, Visibility
from shared.moderation.ranks import Rank
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.v1.test_own_pictures import drawn
from tests.shared.rows import Ruling

CASES = "/v1/moderation/cases"
PERSON = "/v1/moderation/people/1001"


class Staff:
    """Clients of a server's staff."""

    def __init__(self, client_of: Open, new_key: NewKey) -> None:
        self._client_of, self._new_key = client_of, new_key

    async def of(
        self, rank: Rank, discord_id: str = "9", guild_id: str | None = "77"
    ) -> httpx.AsyncClient:
        key = await self._new_key(
            discord_id, scopes=("read", "draw", "moderate"), guild_id=guild_id, rank=int(rank)
        )
        return await self._client_of(key)

    async def somebody(self, discord_id: str = "1002") -> httpx.AsyncClient:
        return await self._client_of(await self._new_key(discord_id, guild_id="77"))


@pytest.fixture
def staff(client_of: Open, new_key: NewKey) -> Staff:
    return Staff(client_of, new_key)


async def reported(services: Services, staff: Staff) -> tuple[Job, str]:
    """A grid of person 1001 that person 1002 reports."""
    job = await drawn(services)
    await with_grid(services, job)
    reporter = await staff.somebody()
    answer = await reporter.post(
        f"/v1/jobs/{job.id}/report", json={"reason": "gore", "text": "It frightens me"}
    )
    assert answer.status_code == 200, answer.text
    return job, answer.json()["case"]


async def with_grid(services: Services, job: Job) -> None:
    out, key = BytesIO(), f"{job.id}/1/x-grid.png"
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    await services.store.put(key, out.getvalue(), mime="image/png")
    grid = Asset(job.id, "grid", 0, key, "0" * 64, 9, 64, 64, "image/png")
    async with services.database.begin() as session:
        verdict = await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
        await assets.add_assets(session, [(grid, verdict)])


READS = [
    "/cases",
    f"/cases/{UUID(int=7)}",
    "/people/1001",
    "/proposals",
    "/policy",
    "/pauses",
    "/terms",
]


async def test_who_is_no_moderator_sees_nothing(client: httpx.AsyncClient) -> None:
    for path in READS:
        answer = await client.get(f"/v1/moderation{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_a_key_s_scope_without_a_rank_opens_nothing(staff: Staff) -> None:
    nobody = await staff.of(Rank.NONE)
    for path in READS:
        answer = await nobody.get(f"/v1/moderation{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), path


async def test_a_report_is_looked_at_and_upheld(services: Services, staff: Staff) -> None:
    job, case_id = await reported(services, staff)
    mod = await staff.of(Rank.MODERATOR)
    queue = (await mod.get(CASES)).json()
    assert [one["id"] for one in queue["data"]] == [case_id]
    assert queue["waiting"] == {"report": 1}
    file = (await mod.get(f"{CASES}/{case_id}")).json()
    assert (file["prompt"], file["said"]) == ("a red boat", "It frightens me")
    assert file["author"]["discord_id"] == "1001"
    told = await mod.post(f"{CASES}/{case_id}/decide", json={"decision": "uphold", "note": "Yes."})
    assert told.json()["case"]["state"] == "upheld"
    again = await mod.post(f"{CASES}/{case_id}/decide", json={"decision": "approve"})
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")
    async with services.database.read() as session:
        assert await assets.assets(session, job.id) == []


async def test_a_picture_is_blurred_until_somebody_signs_for_it(
    services: Services, staff: Staff
) -> None:
    _, case_id = await reported(services, staff)
    mod, viewer = await staff.of(Rank.MODERATOR), await staff.of(Rank.VIEWER, "8")
    soft = await viewer.get(f"{CASES}/{case_id}/picture")
    clear = await mod.post(f"{CASES}/{case_id}/reveal")
    assert (soft.headers["content-type"], soft.headers["cache-control"]) == (
        "image/webp",
        "no-store",
    )
    assert Image.open(BytesIO(clear.content)).size == (64, 64)
    assert (await viewer.post(f"{CASES}/{case_id}/reveal")).status_code == 403


async def test_another_server_s_moderators_know_nothing_of_it(
    services: Services, staff: Staff
) -> None:
    _, case_id = await reported(services, staff)
    other = await staff.of(Rank.ADMIN, "5", guild_id="78")
    for method, path in (
        ("GET", ""),
        ("GET", "/picture"),
        ("POST", "/reveal"),
        ("POST", "/decide"),
    ):
        body = {"decision": "uphold"} if path == "/decide" else None
        answer = await other.request(method, f"{CASES}/{case_id}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_case")
    assert (await other.get(CASES)).json()["data"] == []


async def test_nobody_decides_about_themselves(services: Services, staff: Staff) -> None:
    _, case_id = await reported(services, staff)
    own = await staff.of(Rank.MODERATOR, "1001")
    answer = await own.post(f"{CASES}/{case_id}/decide", json={"decision": "approve"})
    assert (answer.status_code, answer.json()["code"]) == (403, "no_self_approval")


async def test_a_stealthy_picture_is_there_for_nobody_who_would_report_it(
    services: Services, staff: Staff
) -> None:
    job = await drawn(services, visibility=Visibility.STEALTH)
    reporter = await staff.somebody()
    hidden = await reporter.post(f"/v1/jobs/{job.id}/report", json={"reason": "gore"})
    missing = await reporter.post(f"/v1/jobs/{uuid4()}/report", json={"reason": "gore"})
    assert (hidden.status_code, hidden.json()) == (404, missing.json())


async def test_a_case_that_is_not_one_s_own_cannot_be_appealed(
    services: Services, staff: Staff
) -> None:
    _, case_id = await reported(services, staff)
    answer = await (await staff.somebody()).post(f"/v1/cases/{case_id}/appeal", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_case")


async def test_strikes_add_up_and_bans_are_lifted_by_two(
    client: httpx.AsyncClient, staff: Staff
) -> None:
    await client.get("/v1/me")
    mod, second = await staff.of(Rank.MODERATOR), await staff.of(Rank.MODERATOR, "8")
    reason = {"reason": "Read the rules."}
    assert (await mod.post(f"{PERSON}/warn", json=reason)).json()["follows"] == "none"
    assert (await mod.post(f"{PERSON}/strike", json=reason | {"weight": 2})).status_code == 200
    assert (await mod.post(f"{PERSON}/ban", json=reason)).json()["jobs"] == 0
    record = (await mod.get(PERSON)).json()
    assert (record["weight"], len(record["strikes"]), len(record["bans"])) == (2, 2, 1)
    proposed = (await mod.post(f"{PERSON}/unban", json=reason)).json()
    assert "account" not in proposed["detail"]
    path = f"/v1/moderation/proposals/{proposed['id']}/approve"
    assert (await mod.post(path)).json()["code"] == "no_self_approval"
    assert (await second.post(path)).json()["state"] == "approved"
    assert (await mod.get(PERSON)).json()["bans"] == []


async def test_gpu_time_moves_once_for_a_key(client: httpx.AsyncClient, staff: Staff) -> None:
    await client.get("/v1/me")
    admin = await staff.of(Rank.ADMIN)
    wish = {"minutes": 2, "reason": "A prize.", "key": "prize"}
    first = (await admin.post(f"{PERSON}/quota", json=wish)).json()
    assert first == (await admin.post(f"{PERSON}/quota", json=wish)).json()
    denied = await (await staff.of(Rank.MODERATOR, "8")).post(f"{PERSON}/quota", json=wish)
    assert denied.status_code == 403


async def test_a_refund_goes_back_once(services: Services, staff: Staff) -> None:
    job = await drawn(services)
    mod, path = await staff.of(Rank.MODERATOR), f"/v1/moderation/jobs/{job.id}/refund"
    assert (await mod.post(path, json={"reason": "Blurry."})).json()["refunded_ms"] == 900
    assert (await mod.post(path, json={"reason": "Blurry."})).status_code == 409
    other = await staff.of(Rank.MODERATOR, "5", guild_id="78")
    assert (await other.post(path, json={"reason": "Blurry."})).status_code == 404


async def test_a_pause_stops_the_desk_and_its_end_opens_it(
    services: Services, staff: Staff
) -> None:
    admin = await staff.of(Rank.ADMIN)
    path = "/v1/moderation/pauses/server"
    paused = (await admin.put(path, json={"reason": "Back at six."})).json()
    assert (paused["changed"], paused["data"][0]["reason"]) == (True, "Back at six.")
    check = await (await staff.somebody()).post("/v1/prompts/check", json={"prompt": "a boat"})
    assert check.json()["error"]["code"] == "paused"
    assert (await admin.delete(path)).json()["data"] == []
    everywhere = await admin.put("/v1/moderation/pauses/everywhere", json={"reason": "x"})
    assert (everywhere.status_code, everywhere.json()["code"]) == (403, "not_allowed")


async def test_a_word_is_stopped_and_let_through_again(staff: Staff) -> None:
    admin = await staff.of(Rank.ADMIN)
    word = {"term": "Flumph", "category": "hate"}
    assert (await admin.post("/v1/moderation/terms", json=word)).json()["term"] == "flumph"
    assert (await admin.post("/v1/moderation/terms", json=word)).status_code == 409
    (listed,) = (await admin.get("/v1/moderation/terms")).json()["data"]
    assert (listed["term"], listed["guild_id"]) == ("flumph", "77")
    removed = await admin.post("/v1/moderation/terms/remove", json={"term": "flumph"})
    assert removed.status_code == 200
    assert (await admin.get("/v1/moderation/terms")).json()["data"] == []


async def test_thresholds_are_proposed_and_bounded(staff: Staff) -> None:
    admin = await staff.of(Rank.ADMIN)
    shown = (await admin.get("/v1/moderation/policy")).json()
    assert (shown["number"], shown["own"]) == (0, {})
    bands = {"gore": shown["effective"]["gore"]}
    proposed = await admin.put("/v1/moderation/policy", json={"bands": bands})
    assert (proposed.status_code, proposed.json()["action"]) == (202, "policy")
    wild = {"bands": {"gore": {"review": 1.0, "block": 1.0}}}
    refused = await admin.put("/v1/moderation/policy", json=wild)
    assert refused.json()["code"] == "policy_out_of_bounds"


STRANGE = [0, 10**9, "NaN"]


async def test_strange_amounts_move_nothing(staff: Staff) -> None:
    for minutes in STRANGE:
        admin = await staff.of(Rank.ADMIN)
        answer = await admin.post(f"{PERSON}/quota", json={"minutes": minutes, "reason": "x"})
        assert answer.status_code == 422
