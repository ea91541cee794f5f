"""The leader's chores on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from farm.maintenance import Chore, Maintenance
from shared import deliveries, jobstore, ledger, workers
from shared.config import FarmSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import EventKind, Events
from shared.jobs import Job, JobState, Route
from tests.farm.rows import (
    a_job,
    a_worker,
    an_account,
    books,
    claim,
    dispatch,
    end,
    execute,
    see,
)

ROUTE = Route(channel_id="1", message_id="2", user_id="3", application_id="4", token="secret")


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
def heard() -> list[UUID]:
    return []


@pytest.fixture
def maintenance(database: Database, redis: "Redis", heard: list[UUID]) -> Maintenance:
    farm = FarmSettings(max_crashes=5)
    return Maintenance(database, Events(redis), farm=farm, heard=heard.append)


async def crashed(database: Database, job: Job) -> None:
    """Dispatched, claimed, and the worker dies: its lease runs out."""
    await claim(database, await dispatch(database, job, "gpu"), lease_s=-1.0)


async def test_a_dead_workers_job_waits_again_and_counts_a_crash(
    database: Database, maintenance: Maintenance, heard: list[UUID]
) -> None:
    job = await a_job(database, await an_account(database))
    await crashed(database, job)
    assert await maintenance.rescue_lost() == 1
    found = await see(database, job.id)
    assert (found.state, found.crashes, found.worker) == (JobState.WAITING, 1, None)
    assert heard == [job.id]
    assert await maintenance.rescue_lost() == 0


async def test_a_living_lease_is_left_alone(database: Database, maintenance: Maintenance) -> None:
    job = await a_job(database, await an_account(database))
    await claim(database, await dispatch(database, job, "gpu"), lease_s=15.0)
    assert await maintenance.rescue_lost() == 0
    assert (await see(database, job.id)).state is JobState.RUNNING


async def test_after_five_crashes_it_fails_and_everything_goes_back(
    database: Database, maintenance: Maintenance, redis: "Redis"
) -> None:
    account_id = await an_account(database)
    async with database.read() as session:
        before = await ledger.balance(session, account_id)
    job = await a_job(database, account_id)
    for _ in range(4):
        await crashed(database, job)
        await maintenance.rescue_lost()
        assert (await see(database, job.id)).state is JobState.WAITING
    await crashed(database, job)
    async with Events(redis).subscribe() as stream:
        await maintenance.rescue_lost()
        event = await anext(stream)
    assert (event.job_id, event.kind, event.state) == (job.id, EventKind.STATE, "failed")
    found = await see(database, job.id)
    assert (found.state, found.error_code, found.crashes) == (JobState.FAILED, "worker_lost", 5)
    async with database.read() as session:
        assert await ledger.balance(session, account_id) == before
    assert await books(database) == []


async def test_a_deploy_and_an_unheard_bell_count_nothing(
    database: Database, maintenance: Maintenance
) -> None:
    job = await a_job(database, await an_account(database))
    for _ in range(6):
        running = await claim(database, await dispatch(database, job, "gpu"))
        async with database.begin() as session:
            back = await jobstore.given_back(session, job.id, attempt=running.attempt, worker="gpu")
        assert back is not None
        await dispatch(database, job, "gpu")
        await execute(database, "update jobs set lease_until = clock_timestamp() - interval '1 s'")
        assert await maintenance.rescue_lost() == 1
    found = await see(database, job.id)
    assert (found.state, found.crashes, found.attempt) == (JobState.WAITING, 0, 12)


async def test_one_broken_book_keeps_nobody_from_rescue(database: Database, redis: "Redis") -> None:
    maintenance = Maintenance(database, Events(redis), farm=FarmSettings(max_crashes=1))
    account_id = await an_account(database)
    broken, sound = await a_job(database, account_id), await a_job(database, account_id)
    await execute(database, "alter table ledger disable trigger all")
    await execute(database, "delete from ledger where job_id = :id", id=broken.id)
    await execute(database, "alter table ledger enable trigger all")
    await crashed(database, broken)
    await crashed(database, sound)
    assert await maintenance.rescue_lost() == 2
    assert (await see(database, broken.id)).state is JobState.FAILED
    assert (await see(database, sound.id)).state is JobState.FAILED
    async with database.read() as session:
        assert (await ledger.balance(session, account_id)).held_ms == broken.estimate_ms


async def test_a_hold_left_behind_goes_back(database: Database, maintenance: Maintenance) -> None:
    account_id = await an_account(database)
    left, whole, fresh = [await a_job(database, account_id) for _ in range(3)]
    for job in (left, fresh):
        async with database.begin() as session:
            await jobstore.cancelled(session, job.id, account_id)
    await end(database, whole)
    await execute(database, "alter table jobs disable trigger jobs_move")
    await execute(
        database,
        "update jobs set finished_at = finished_at - interval '2 minutes' where id <> :id",
        id=fresh.id,
    )
    assert await maintenance.release_stale_holds() == 1
    async with database.read() as session:
        assert (await ledger.balance(session, account_id)).held_ms == fresh.estimate_ms
    assert await maintenance.release_stale_holds() == 0


async def test_expired_tokens_are_dropped_and_living_ones_kept(
    database: Database, maintenance: Maintenance
) -> None:
    account_id = await an_account(database)
    now = datetime.now(UTC)
    routes = {
        "past": replace(ROUTE, token_expires_at=now - timedelta(seconds=1)),
        "living": replace(ROUTE, token_expires_at=now + timedelta(minutes=5)),
        "undated": ROUTE,
        "old": ROUTE,
    }
    jobs = {name: await a_job(database, account_id, route=r) for name, r in routes.items()}
    await execute(
        database,
        "update deliveries set at = at - interval '16 minutes' where job_id = :id",
        id=jobs["old"].id,
    )
    assert await maintenance.drop_expired_tokens() == 2
    async with database.read() as session:
        found = {name: await deliveries.route(session, job.id) for name, job in jobs.items()}
    assert found["living"] == routes["living"]
    assert found["undated"] == ROUTE
    assert found["past"] == found["old"] == replace(ROUTE, token=None)


async def test_only_the_long_silent_are_forgotten(
    database: Database, maintenance: Maintenance
) -> None:
    for name in ("gone", "holds-a-job", "alive"):
        await a_worker(database, name)
    job = await a_job(database, await an_account(database))
    await dispatch(database, job, "holds-a-job")
    await execute(
        database,
        "update workers set seen_at = seen_at - interval '1 hour' where name <> 'alive'",
    )
    assert await maintenance.forget_silent_workers() == 1
    async with database.read() as session:
        left = {row.name for row in await workers.live_workers(session, 1e6)}
    assert left == {"holds-a-job", "alive"}


@pytest.mark.parametrize("error", [Fault("database_down", "...", retryable=True), KeyError("x")])
async def test_a_chore_that_fails_is_done_again(error: Exception) -> None:
    done = asyncio.Event()
    failures = iter([error, error])

    async def work() -> int:
        for failure in failures:
            raise failure
        done.set()
        return 1

    chore = asyncio.create_task(Chore("sweep", 0.01, work).for_ever())
    async with asyncio.timeout(2.0):
        await done.wait()
    chore.cancel()
