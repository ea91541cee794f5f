"""Which GPU takes a job, and what the heartbeats say."""

import pytest

from farm.fleet import Fleet, Pace, read_fleet
from farm.scheduler import Worker
from shared.connections import Database
from tests.farm.rows import a_job, a_worker, an_account, dispatch, execute

WARM, COLD = frozenset({"postcards"}), frozenset({"other"})


def test_the_least_loaded_worker_asks_first() -> None:
    fleet = Fleet([Worker("half", slots=4, busy=2), Worker("quarter", slots=4, busy=1)])
    asking = fleet.roomiest()
    assert asking is not None
    assert asking.name == "quarter"


def test_a_warm_worker_is_chosen_even_when_a_cold_one_is_emptier() -> None:
    fleet = Fleet(
        [
            Worker("cold", slots=4, checkpoints=COLD),
            Worker("warm", slots=4, busy=3, checkpoints=WARM),
        ]
    )
    first = fleet.choose("postcards")
    assert first is not None
    assert first.name == "warm"
    fleet.take("warm")
    second = fleet.choose("postcards")
    assert second is not None
    assert second.name == "cold"


@pytest.mark.parametrize(
    "worker", [Worker("full", slots=2, busy=2), Worker("leaving", slots=2, draining=True)]
)
def test_the_full_and_the_leaving_get_nothing(worker: Worker) -> None:
    fleet = Fleet([worker])
    assert fleet.roomiest() is None
    assert fleet.choose("postcards") is None


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
    await dispatch(database, await a_job(database, await an_account(database)), "alive")
    await execute(
        database,
        "update workers set seen_at = seen_at - interval '1 minute' where name = 'silent'",
    )
    async with database.read() as session:
        fleet = await read_fleet(session, silent_s=15.0)
    assert fleet.workers == [Worker("alive", slots=3, busy=1, checkpoints=WARM)]
