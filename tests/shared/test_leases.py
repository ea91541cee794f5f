"""A lease is its worker's alone, in this attempt alone."""

from uuid import uuid4

import pytest

from shared import jobstore
from shared.connections import Database
from shared.jobs import JobState
from tests.shared.rows import bring_to, make_account, make_job


@pytest.mark.parametrize("state", list(JobState))
async def test_only_what_runs_is_owned(database: Database, state: JobState) -> None:
    async with database.begin() as session:
        job = await bring_to(session, await make_job(session, await make_account(session)), state)
        mine = await jobstore.owned(session, job.id, attempt=1, worker="w1")
        assert mine is (state is JobState.RUNNING)


async def test_nobody_else_owns_it(database: Database) -> None:
    async with database.begin() as session:
        job = await make_job(session, await make_account(session))
        await bring_to(session, job, JobState.RUNNING)
        assert not await jobstore.owned(session, job.id, attempt=2, worker="w1")
        assert not await jobstore.owned(session, job.id, attempt=1, worker="w2")
        assert not await jobstore.owned(session, uuid4(), attempt=1, worker="w1")


async def test_many_leases_are_renewed_at_once_and_each_by_its_own_attempt(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await make_account(session, plan="pro")
        jobs = [await make_job(session, account) for _ in range(40)]
        for job in jobs:
            await bring_to(session, job, JobState.RUNNING)
        asked = {job.id: 1 + number % 2 for number, job in enumerate(jobs)}
        kept = await jobstore.renew_leases(session, "w1", asked, 60)
        assert kept == {id for id, attempt in asked.items() if attempt == 1}
        assert await jobstore.renew_leases(session, "w1", {}, 60) == set()
