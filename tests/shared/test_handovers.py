"""Many jobs change hands in one statement, each behind the same fence as if it went alone."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from shared import jobstore
from shared.connections import Database, Session
from shared.jobs import Job, JobState
from tests.shared.rows import bring_to, make_account, make_job


async def make_jobs(session: Session, count: int) -> list[Job]:
    account = await make_account(session, plan="pro")
    return [await make_job(session, account) for _ in range(count)]


def by_id(jobs: Sequence[Job]) -> dict[UUID, Job]:
    return {job.id: job for job in jobs}


async def test_each_goes_to_its_own_worker_with_a_new_attempt(database: Database) -> None:
    async with database.begin() as session:
        jobs = await make_jobs(session, 3)
        picks = [(job.id, f"w{number % 2}") for number, job in enumerate(jobs)]
        sent = by_id(await jobstore.dispatched_all(session, picks))
        assert {id: job.worker for id, job in sent.items()} == dict(picks)
        for job in sent.values():
            assert (job.state, job.attempt) == (JobState.DISPATCHED, 1)
            assert await jobstore.load(session, job.id) == job


async def test_what_does_not_wait_is_not_sent(database: Database) -> None:
    async with database.begin() as session:
        waiting, cancelled, running = await make_jobs(session, 3)
        cancelled = await bring_to(session, cancelled, JobState.CANCELLED)
        running = await bring_to(session, running, JobState.RUNNING)
        picks = [(id, "w2") for id in (waiting.id, cancelled.id, running.id, uuid4())]
        assert by_id(await jobstore.dispatched_all(session, picks)).keys() == {waiting.id}
        assert await jobstore.load(session, cancelled.id) == cancelled
        assert await jobstore.load(session, running.id) == running
        assert await jobstore.dispatched_all(session, []) == []


async def test_of_many_dispatchers_one_sends_each_job(database: Database) -> None:
    async with database.begin() as session:
        ids = [job.id for job in await make_jobs(session, 12)]

    async def dispatch(worker: str, order: list[UUID]) -> list[Job]:
        async with database.begin() as session:
            return await jobstore.dispatched_all(session, [(id, worker) for id in order])

    orders = [ids, ids[::-1], ids[6:] + ids[:6]]
    sent = await asyncio.gather(*(dispatch(f"w{n}", order) for n, order in enumerate(orders)))
    assert sorted(job.id for jobs in sent for job in jobs) == sorted(ids)


async def test_a_worker_claims_what_it_was_sent_at_that_attempt(database: Database) -> None:
    async with database.begin() as session:
        mine, older, others, gone = await make_jobs(session, 4)
        for job, worker in ((mine, "w1"), (older, "w1"), (others, "w2"), (gone, "w1")):
            await jobstore.dispatched(session, job.id, worker=worker)
        await jobstore.given_back(session, older.id, attempt=1, worker="w1")
        older_again = await jobstore.dispatched(session, older.id, worker="w1")
        await jobstore.cancelled(session, gone.id, gone.account_id)
        asked = {job.id: 1 for job in (mine, older, others, gone)}
        claimed = await jobstore.running_all(session, asked, worker="w1", lease_s=15)
        assert by_id(claimed).keys() == {mine.id}
        assert claimed[0].state is JobState.RUNNING
        assert await jobstore.load(session, mine.id) == claimed[0]
        assert await jobstore.load(session, older.id) == older_again
        assert await jobstore.running_all(session, asked, worker="w1", lease_s=15) == []
        assert await jobstore.running_all(session, {}, worker="w1", lease_s=15) == []
