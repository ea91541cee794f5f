"""Jobs that wait in vain are failed and refunded, with the reason; the others go on waiting."""

from dataclasses import replace
from datetime import timedelta

import pytest

from farm.expiry import EXPIRED, STRANDED, Expiry, lasting, late
from shared import ledger
from shared.catalog import Catalog
from shared.config import FarmSettings
from shared.connections import Database
from shared.jobs import Job, JobState
from tests.farm.rows import (
    a_job,
    a_worker,
    an_account,
    books,
    claim,
    dispatch,
    execute,
    see,
    the_catalog,
)

HOUR = 3600.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def heavy() -> Catalog:
    """The small model, if it needed 40 GB."""
    catalog = the_catalog()
    checkpoints = {n: replace(one, vram_gb=40.0) for n, one in catalog.checkpoints.items()}
    return replace(catalog, checkpoints=checkpoints)


async def submitted(database: Database, job: Job, *, hours_ago: float) -> None:
    await execute(database, "alter table jobs disable trigger jobs_move")
    await execute(
        database,
        "update jobs set submitted_at = clock_timestamp() - make_interval(secs => :s) where id = :id",
        id=job.id,
        s=hours_ago * HOUR,
    )
    await execute(database, "alter table jobs enable trigger jobs_move")


async def a_gpu(database: Database, name: str, *, vram_gb: float) -> None:
    await a_worker(database, name)
    await execute(
        database,
        "update workers set vram_bytes = :b, seen_at = clock_timestamp() where name = :n",
        n=name,
        b=int(vram_gb * 2**30),
    )


async def test_who_waited_for_too_long_is_told_and_refunded(database: Database) -> None:
    account_id = await an_account(database)
    async with database.read() as session:
        before = await ledger.balance(session, account_id)
    late_one, young, at_work = [await a_job(database, account_id) for _ in range(3)]
    await claim(database, await dispatch(database, at_work, "gpu"))
    for job, hours in ((late_one, 49), (young, 47), (at_work, 49)):
        await submitted(database, job, hours_ago=hours)
    expiry = Expiry(database, the_catalog(), farm=FarmSettings())
    assert [job.id for job in await expiry.expire_waiting()] == [late_one.id]
    row = await see(database, late_one.id)
    assert (row.state, row.error_code, row.charged_ms) == (JobState.FAILED, EXPIRED, 0)
    assert row.error_sentence == late(timedelta(hours=48))
    assert (await see(database, young.id)).state is JobState.WAITING
    assert (await see(database, at_work.id)).state is JobState.RUNNING
    async with database.read() as session:
        assert (await ledger.balance(session, account_id)).held_ms == before.held_ms + 4000
    assert await books(database) == []
    assert await expiry.expire_waiting() == []


async def test_who_fits_no_live_gpu_for_an_hour_is_told_and_refunded(
    database: Database, clock: Clock
) -> None:
    job = await a_job(database, await an_account(database))
    await submitted(database, job, hours_ago=2)
    await a_gpu(database, "small", vram_gb=24)
    expiry = Expiry(database, heavy(), farm=FarmSettings(), clock=clock)
    assert await expiry.expire_waiting() == []
    clock.now = 0.9 * HOUR
    assert await expiry.expire_waiting() == []
    clock.now = 1.1 * HOUR
    (ended,) = await expiry.expire_waiting()
    assert (ended.id, ended.state, ended.error_code) == (job.id, JobState.FAILED, STRANDED)
    assert "40.0 GB" in (ended.error_sentence or "")
    assert "Nothing was charged" in (ended.error_sentence or "")
    assert await books(database) == []


@pytest.mark.parametrize("fleet", ["none", "large", "unknown"])
async def test_who_may_yet_be_drawn_goes_on_waiting(
    database: Database, clock: Clock, fleet: str
) -> None:
    job = await a_job(database, await an_account(database))
    await submitted(database, job, hours_ago=2)
    if fleet != "none":
        await a_gpu(database, "gpu", vram_gb=80 if fleet == "large" else 0)
    expiry = Expiry(database, heavy(), farm=FarmSettings(), clock=clock)
    for hours in (0, 1.1, 2.2):
        clock.now = hours * HOUR
        assert await expiry.expire_waiting() == []
    assert (await see(database, job.id)).state is JobState.WAITING


async def test_a_large_gpu_that_was_there_for_a_moment_begins_the_hour_anew(
    database: Database, clock: Clock
) -> None:
    job = await a_job(database, await an_account(database))
    await submitted(database, job, hours_ago=2)
    await a_gpu(database, "small", vram_gb=24)
    expiry = Expiry(database, heavy(), farm=FarmSettings(), clock=clock)
    await expiry.expire_waiting()
    await a_gpu(database, "large", vram_gb=80)
    clock.now = 0.9 * HOUR
    await expiry.expire_waiting()
    await execute(database, "delete from workers where name = 'large'")
    clock.now = 1.1 * HOUR
    assert await expiry.expire_waiting() == []


def test_a_break_ends_a_row() -> None:
    assert lasting({"a": 1.0, "b": 2.0}, ["a", "c"], now=5.0) == {"a": 1.0, "c": 5.0}


def test_the_limit_is_told_in_hours() -> None:
    assert "48 hours" in late(timedelta(hours=48))
    assert "Nothing was charged" in late(timedelta(hours=48))
    assert "1.5 hours" in late(timedelta(minutes=90))
