"""The same key is the same job, pictures of before are as good, and a wait ends with the job or its time."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from farm.api.services import Services
from farm.maintenance import Maintenance
from shared import assets, joblists, jobstore, ledger
from shared.connections import Database
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from tests.farm.api.conftest import NewKey, Open
from tests.shared.rows import bring_to
from tests.shared.test_admission import pictured

PROMPT = {"prompt": "a red sailboat", "speed": "fast"}


async def post(client: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/v1/jobs", json=body, headers=named)


async def the_job(services: Services, told: dict[str, Any]) -> Job:
    async with services.database.read() as session:
        job = await joblists.load(session, UUID(told["id"]))
    assert job is not None
    return job


async def test_a_key_is_one_job_however_often_it_comes(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    first = await post(client, PROMPT, Idempotency_Key="a:1")
    assert (first.status_code, first.headers["location"]) == (201, first.json()["urls"]["get"])
    await pictured(services.database, await the_job(services, first.json()))
    again = await post(client, PROMPT, Idempotency_Key="a:1")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert len(again.json()["output"]) == 4
    other = await post(client, PROMPT | {"seed": 8}, Idempotency_Key="a:1")
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    theirs = await post(await client_of(await new_key("1002")), PROMPT, Idempotency_Key="a:1")
    assert (theirs.status_code, theirs.json()["id"] == first.json()["id"]) == (201, False)


async def test_pictures_of_before_are_as_good_if_somebody_says_so(
    client: httpx.AsyncClient, services: Services
) -> None:
    wish = PROMPT | {"reuse": True}
    first = (await post(client, wish)).json()
    assert first["reused"] is False
    too_early = (await post(client, wish)).json()
    assert too_early["id"] != first["id"]
    await pictured(services.database, await the_job(services, first))
    again = await post(client, wish)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert again.json()["reused"] is True
    unasked = (await post(client, PROMPT)).json()
    assert unasked["id"] != first["id"]
    hidden = (await post(client, wish | {"visibility": "public", "prompt": "a boat"})).json()
    assert hidden["reused"] is False


async def test_what_was_withdrawn_is_not_as_good(
    client: httpx.AsyncClient, services: Services
) -> None:
    wish = PROMPT | {"reuse": True}
    job = await the_job(services, (await post(client, wish)).json())
    await pictured(services.database, job)
    async with services.database.begin() as session:
        await assets.withdraw_picture(session, job.id, 2)
    assert (await post(client, wish)).json()["id"] != str(job.id)


async def test_pictures_of_others_are_not_given_away(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    wish = PROMPT | {"reuse": True, "seed": 7}
    job = await the_job(services, (await post(client, wish)).json())
    await pictured(services.database, job)
    other = await client_of(await new_key("1002"))
    assert (await post(other, wish)).json()["reused"] is False


async def test_a_wait_ends_with_the_job(client: httpx.AsyncClient, services: Services) -> None:
    asked = asyncio.create_task(post(client, PROMPT, Prefer="wait=30"))
    job = None
    while job is None:
        async with services.database.read() as session:
            job = next(iter(await jobstore.waiting(session)), None)
    async with services.database.begin() as session:
        await bring_to(session, job, JobState.SUCCEEDED)
    await services.events.publish(JobEvent(job.id, EventKind.STATE, state="succeeded"))
    answer = await asked
    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert answer.headers["preference-applied"] == "wait=30"


async def test_a_wait_ends_with_its_time(client: httpx.AsyncClient) -> None:
    answer = await post(client, PROMPT, Prefer="wait=0")
    assert (answer.status_code, answer.json()["status"]) == (202, "starting")


async def test_a_deadline_ends_what_is_late_and_nothing_else(
    client: httpx.AsyncClient, services: Services
) -> None:
    late = (await post(client, PROMPT, Cancel_After="5s")).json()
    other = (await post(client, PROMPT, Cancel_After="1h")).json()
    before = await available(services.database, await the_job(services, late))
    async with services.database.begin() as session:
        await session.execute(_an_hour_ago(), {"job": UUID(late["id"])})
    chores = Maintenance(
        services.database,
        services.events,
        store=services.store,
        catalog=services.catalog,
        farm=services.settings.farm,
    )
    assert (await chores.cancel_late(), await chores.cancel_late()) == (1, 0)
    told = (await client.get(f"/v1/jobs/{late['id']}")).json()
    assert (told["status"], told["error"]["code"]) == ("aborted", "deadline")
    assert (await client.get(f"/v1/jobs/{other['id']}")).json()["status"] == "starting"
    after = await available(services.database, await the_job(services, late))
    assert after == before + late["metrics"]["held_ms"]


@pytest.mark.parametrize(
    ("keys", "each"),
    [(3, 8), pytest.param(200, 50, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])],
)
async def test_many_keys_at_once_make_one_job_each(
    client_of: Open, new_key: NewKey, services: Services, keys: int, each: int
) -> None:
    people = [await client_of(await new_key(str(2_000 + one))) for one in range(keys)]
    asks = [
        post(people[key], PROMPT, Idempotency_Key="order")
        for key in range(keys)
        for _ in range(each)
    ]
    turns = asyncio.Semaphore(50)

    async def in_turn(ask: Any) -> httpx.Response:
        async with turns:
            answer: httpx.Response = await ask
            return answer

    answers = await asyncio.gather(*map(in_turn, asks))
    assert {one.status_code for one in answers} <= {200, 201}, {one.text for one in answers}
    assert sum(one.status_code == 201 for one in answers) == keys
    assert len({one.json()["id"] for one in answers}) == keys


async def available(database: Database, job: Job) -> int:
    async with database.read() as session:
        return (await ledger.balance(session, job.account_id)).available_ms


def _an_hour_ago() -> Any:
    return text("update jobs set cancel_at = cancel_at - interval '10 s' where id = :job")
