"""Clients that follow jobs: through lost Redis, lost lines and lost processes no state is missed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from farm.api import follower
from farm.api import following as followings
from farm.api.follower import Follower
from farm.api.following import Following
from farm.api.services import Services
from farm.api.told import Told, fraction, number_of
from shared.connections import Database
from shared.errors import Refusal
from shared.events import EventKind, JobEvent
from shared.jobs import Job
from shared.waits import Outlook
from tests.farm.rows import a_job, a_worker, an_account, claim, dispatch, end, finish

WITHIN_S = 10.0


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followings, "LOOK_EVERY_S", 0.05)


@pytest.fixture
def following(services: Services) -> Following:
    return services.following


@pytest.fixture
async def account_id(database: Database) -> UUID:
    return await an_account(database)


@pytest.fixture
async def job(database: Database, account_id: UUID) -> Job:
    return await a_job(database, account_id)


async def draw(database: Database, job: Job) -> None:
    """From waiting to its picture: three transitions more."""
    await finish(database, await dispatch(database, job, await a_worker(database)), gpu_ms=5)


def states(told: list[Told]) -> list[str]:
    return [one.data["state"] for one in told if one.type == "state"]


async def take(stream: AsyncIterator[Told | None], many: int) -> list[Told]:
    found: list[Told] = []
    async with asyncio.timeout(WITHIN_S):
        while len(found) < many:
            one = await anext(stream)
            if one is not None:
                found.append(one)
    return found


async def everything(following: Following, job_id: UUID, after: str | None = None) -> list[Told]:
    async with asyncio.timeout(WITHIN_S):
        return [one async for one in following.events(job_id, after)]


async def test_a_job_is_told_from_its_beginning_to_its_end(
    following: Following, database: Database, job: Job
) -> None:
    async with aclosing(following.events(job.id)) as stream:
        first = await take(stream, 1)
        await draw(database, job)
        rest = [one async for one in stream]
    assert states(first + rest) == ["waiting", "dispatched", "running", "succeeded"]
    assert [one.ends for one in first + rest] == [False, False, False, True]
    assert await everything(following, job.id) == first + rest


async def test_whoever_comes_back_gets_what_was_missed_and_nothing_twice(
    following: Following, database: Database, job: Job
) -> None:
    async with aclosing(following.events(job.id)) as stream:
        (first,) = await take(stream, 1)
    await draw(database, job)
    missed = await everything(following, job.id, after=first.id)
    assert states(missed) == ["dispatched", "running", "succeeded"]
    assert await everything(following, job.id, after=f"{missed[1].id}.7") == missed[2:]
    async with following.job(job.id, missed[-1].id) as again:
        assert again.done


async def test_another_process_goes_on_where_this_one_ended(
    services: Services, database: Database, job: Job
) -> None:
    (first,) = await take(services.following.events(job.id), 1)
    await services.following.close()
    await draw(database, job)
    other = Following(services.database, services.events, services.outlooks)
    assert states(await everything(other, job.id, first.id))[-1] == "succeeded"
    await other.close()


async def test_states_need_no_redis_at_all(
    following: Following, database: Database, job: Job
) -> None:
    """Nothing is published here: the look of every now and then finds it."""
    async with aclosing(following.events(job.id)) as stream:
        await take(stream, 1)
        await end(database, job)
        (last,) = await take(stream, 1)
    assert (last.data["state"], last.ends) == ("cancelled", True)


async def test_of_what_passes_by_the_latest_is_told_with_the_last_states_number(
    services: Services, database: Database, job: Job
) -> None:
    sent = await claim(database, await dispatch(database, job, await a_worker(database)))
    async with aclosing(services.following.events(job.id)) as stream:
        running = (await take(stream, 3))[-1]
        steps = [
            JobEvent(job.id, EventKind.PROGRESS, step=n, steps=12, eta_s=1.0) for n in (3, 4, 6)
        ]
        await services.events.publish(*steps)
        (told,) = await take(stream, 1)
        if told.data["step"] != 6:
            told = (await take(stream, 1))[-1]
    assert (told.id, told.type) == (f"{running.id}.6", "progress")
    assert (told.data["progress"], told.data["steps"]) == (0.5, 12)
    assert services.following.step(sent.id) == steps[-1]


async def test_a_preview_and_a_place_in_the_queue_are_told(services: Services, job: Job) -> None:
    outlook = Outlook(job.id, 3, 10.0, 12.0, 11.0, 14.0, "All GPUs are busy.")
    await services.outlooks.publish([outlook])
    async with aclosing(services.following.events(job.id)) as stream:
        waiting, queue = await take(stream, 2)
        await services.events.publish(JobEvent(job.id, EventKind.PREVIEW, step=4, key="previews/a"))
        (preview,) = await take(stream, 1)
    assert (queue.type, queue.id) == ("queue", f"{waiting.id}.0")
    assert (queue.data["position"], queue.data["reason"]) == (3, "All GPUs are busy.")
    assert (preview.type, preview.data) == ("preview", {"step": 4, "key": "previews/a"})


async def test_an_account_hears_of_all_its_jobs_and_of_no_others(
    services: Services, database: Database, account_id: UUID, job: Job
) -> None:
    stranger = await an_account(database)
    async with services.following.account(account_id) as mine:
        stream = mine.read()
        other = await a_job(database, stranger)
        await end(database, other)
        new = await a_job(database, account_id)
        (born,) = await take(stream, 1)
        events = [
            JobEvent(one.id, EventKind.PROGRESS, step=1, steps=2) for one in (other, new, job)
        ]
        await services.events.publish(*events)
        passing = await take(stream, 2)
        await end(database, job)
        (over,) = await take(stream, 1)
        await stream.aclose()
    assert (born.job_id, born.data["state"]) == (new.id, "waiting")
    assert {one.job_id for one in passing} == {new.id, job.id}
    assert (over.job_id, over.ends) == (job.id, True)


async def test_an_account_comes_back_to_what_all_its_jobs_did_meanwhile(
    following: Following, database: Database, account_id: UUID, job: Job
) -> None:
    async with following.account(account_id) as mine:
        born = await a_job(database, account_id)
        (last,) = await take(mine.read(), 1)
    await end(database, job)
    await draw(database, born)
    async with following.account(account_id, last.id) as again:
        missed = await take(again.read(), 4)
    assert [(one.job_id, one.data["state"]) for one in missed] == [
        (job.id, "cancelled"),
        (born.id, "dispatched"),
        (born.id, "running"),
        (born.id, "succeeded"),
    ]


async def test_an_account_is_told_in_the_order_of_numbers_whoever_commits_first(
    following: Following, database: Database, account_id: UUID
) -> None:
    """Else whoever comes back with the higher number would never hear of the lower one."""
    slow, quick = await a_job(database, account_id), await a_job(database, account_id)
    cancel = text(
        "update jobs set state = 'failed', error_sentence = 'x', charged_ms = 0, "
        "finished_at = now() where id = :id"
    )
    async with following.account(account_id) as mine:
        stream = mine.read()
        async with database.begin() as session:
            await session.execute(cancel, {"id": slow.id})
            async with database.begin() as other:
                await other.execute(cancel, {"id": quick.id})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(mine.read())
        told = await take(mine.read(), 2)
        await stream.aclose()
    assert [one.job_id for one in told] == [slow.id, quick.id]


async def test_who_reads_too_slowly_is_let_go_before_memory_is_full(
    monkeypatch: pytest.MonkeyPatch, database: Database, following: Following, account_id: UUID
) -> None:
    monkeypatch.setattr(follower, "MOST_WAITING", 2)
    async with following.account(account_id) as slow:
        jobs = [await a_job(database, account_id) for _ in range(3)]
        async with asyncio.timeout(WITHIN_S):
            while not slow.overrun:
                await asyncio.sleep(0.01)
            told = [one async for one in slow.read() if one is not None]
    assert [one.job_id for one in told] == [one.id for one in jobs][: len(told)]


async def test_nobody_stays_behind(following: Following, job: Job) -> None:
    async with following.job(job.id):
        assert following.followers == 1
    assert following.followers == 0


async def test_closing_ends_every_stream(following: Following, job: Job) -> None:
    async with following.job(job.id) as one:
        await following.close()
        told = [each async for each in one.read()]
    assert states([each for each in told if each]) == ["waiting"]


async def test_silence_is_told_too() -> None:
    quiet = Follower(0, one_job=True)
    assert await anext(quiet.read(0.01)) is None


@pytest.mark.parametrize("event_id", ["x", "-1", "1.2.3", "9" * 19, "1\x00", "12 "])
def test_what_is_no_event_id_is_refused(event_id: str) -> None:
    with pytest.raises(Refusal) as caught:
        number_of(event_id)
    assert (caught.value.code, caught.value.field) == ("invalid_event_id", "after")


def test_event_ids_name_their_state() -> None:
    assert [number_of(one) for one in (None, "", "12", "12.7")] == [0, 0, 12, 12]


def test_progress_is_a_part_of_one() -> None:
    event = JobEvent(uuid4(), EventKind.PROGRESS, step=30, steps=12)
    assert fraction(event) == 1.0
    assert fraction(JobEvent(uuid4(), EventKind.PROGRESS)) == 0.0
    assert fraction(None) == 0.0
