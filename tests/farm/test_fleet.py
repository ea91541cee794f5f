"""Which GPU takes a job, and what the heartbeats say."""

import pytest

from farm.fleet import Fleet, Pace, read_fleet
from farm.scheduler import Pick, Worker
from shared import jobstore
from shared.connections import Database
from shared.plans import ALONE_FROM, Speed
from tests.farm.line import a_job
from tests.farm.rows import a_job as a_row
from tests.farm.rows import a_worker, an_account, claim, dispatch, execute


def test_what_was_sent_since_the_last_look_counts() -> None:
    fleet = Fleet([Worker("gpu", slots=2)])
    fleet.take(Pick(a_job(1), "gpu"))
    (worker,) = fleet.workers
    assert (worker.jobs, worker.open_slots) == (1, 1)
    assert worker.checkpoints == {"postcards"}


def test_slots_that_share_a_gpu_stretch_a_job() -> None:
    assert Fleet([Worker("a", slots=4), Worker("b", slots=2)]).stretch == 3.0
    assert Fleet([Worker("a", slots=4, draining=True)]).stretch == 1.0


def test_the_pace_follows_what_is_measured_and_shrugs_off_one_accident() -> None:
    pace = Pace()
    for _ in range(60):
        pace.observe(took_s=3.0, expected_s=2.0)
    assert pace.value == pytest.approx(1.5, rel=0.01)
    pace.observe(took_s=36_000.0, expected_s=1.0)
    assert pace.value < 4.0


async def test_heartbeats_become_a_fleet(database: Database) -> None:
    await a_worker(database, "alive", slots=3)
    await a_worker(database, "silent", slots=3)
    await dispatch(database, await a_row(database, await an_account(database)), "alive")
    await execute(
        database,
        "update workers set seen_at = seen_at - interval '1 minute' where name = 'silent'",
    )
    async with database.read() as session:
        fleet = await read_fleet(session, silent_s=15.0)
    warm = frozenset({"postcards"})
    assert fleet.workers == [Worker("alive", slots=3, busy={Speed.FAST: 1}, checkpoints=warm)]


async def test_a_heartbeat_tells_memory_and_who_is_alone(database: Database) -> None:
    await a_worker(database, "gpu", slots=3)
    await dispatch(database, await a_row(database, await an_account(database)), "gpu")
    await execute(
        database, "update workers set vram_bytes = 80, free_bytes = 30 where name = 'gpu'"
    )
    async with database.read() as session:
        (worker,) = (await read_fleet(session, silent_s=15.0)).workers
    assert (worker.vram_bytes, worker.free_bytes, worker.alone) == (80, 30, False)


async def test_a_job_that_lost_two_workers_keeps_its_third_to_itself(database: Database) -> None:
    await a_worker(database, "gpu", slots=3)
    row = await a_row(database, await an_account(database))
    for _ in range(3):
        await claim(database, await dispatch(database, row, "gpu"), lease_s=0.0)
        async with database.begin() as session:
            rescued = await jobstore.rescued(session, max_crashes=5)
        assert len(rescued) == 1
        if rescued[0].crashes == ALONE_FROM:
            break
    await dispatch(database, row, "gpu")
    async with database.read() as session:
        (worker,) = (await read_fleet(session, silent_s=15.0)).workers
    assert worker.alone
    assert worker.open_slots == 0
