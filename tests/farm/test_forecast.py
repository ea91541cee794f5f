"""Place, time and reason of every waiting job."""

from itertools import count
from uuid import UUID

import pytest

from farm.forecast import HORIZON, Outlook, forecast
from farm.scheduler import Scheduler, Waiting, Worker
from shared.plans import Speed

WEIGHTS = {Speed.TURBO: 10, Speed.FAST: 5, Speed.RELAX: 1}
WARM = Worker(name="gpu", slots=1, checkpoints=frozenset({"postcards"}))
_ids = count(1)


def a_job(account: int, *, cap: int = 9, lane: Speed = Speed.FAST, cost: int = 2000) -> Waiting:
    return Waiting(
        job_id=UUID(int=next(_ids)),
        account_id=UUID(int=account),
        lane=lane,
        plan_weight=1,
        max_running=cap,
        cost_ms=cost,
        submitted_at=0.0,
        checkpoint="postcards",
    )


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(WEIGHTS)


def told(scheduler: Scheduler, *workers: Worker, now: float = 0.0) -> dict[UUID, Outlook]:
    return {outlook.job_id: outlook for outlook in forecast(scheduler, workers, now=now)}


def test_places_are_the_order_of_the_pops_to_come(scheduler: Scheduler) -> None:
    jobs = [a_job(account, lane=lane) for lane in reversed(Speed) for account in (1, 2, 3)]
    for job in jobs:
        scheduler.push(job)
    outlooks = forecast(scheduler, [WARM], now=0.0)
    order = []
    while (popped := scheduler.pop(WARM, 0.0)) is not None:
        scheduler.ended(popped.job_id, 0.0)
        order.append(popped.job_id)
    assert [outlook.job_id for outlook in outlooks] == order
    assert [outlook.position for outlook in outlooks] == list(range(1, 10))


def test_reasons_and_times(scheduler: Scheduler) -> None:
    running, second, third = a_job(1), a_job(2), a_job(3)
    for job in (running, second, third):
        scheduler.push(job)
    assert scheduler.pop(WARM, 100.0) == running
    outlooks = told(scheduler, WARM, now=101.0)
    # one second of the running job is left, then two for each
    assert outlooks[second.job_id] == Outlook(second.job_id, 1, 3.0, "next in line")
    assert outlooks[third.job_id] == Outlook(third.job_id, 2, 5.0, "behind 1 job")


def test_slots_of_one_gpu_share_it(scheduler: Scheduler) -> None:
    jobs = [a_job(account) for account in range(4)]
    for job in jobs:
        scheduler.push(job)
    quad = Worker(name="gpu", slots=4, checkpoints=frozenset({"postcards"}))
    assert [outlook.eta_s for outlook in forecast(scheduler, [quad], now=0.0)] == [8.0] * 4
    assert [o.eta_s for o in forecast(scheduler, [quad], now=0.0, pace=0.5)] == [4.0] * 4


def test_ones_own_cap_is_said_and_counted_in_the_time(scheduler: Scheduler) -> None:
    mine = [a_job(1, cap=2) for _ in range(3)]
    other = a_job(2)
    for job in [*mine, other]:
        scheduler.push(job)
    two = Worker(name="gpu", slots=2, checkpoints=frozenset({"postcards"}))
    assert scheduler.pop(two, 0.0) == mine[0]
    scheduler.cancel(other.job_id)
    assert scheduler.pop(two, 0.0) == mine[1]
    scheduler.push(other)
    outlooks = told(scheduler, two)
    assert outlooks[mine[2].job_id].reason == "your own cap of 2 running jobs"
    assert "cap" not in outlooks[other.job_id].reason
    assert {outlook.eta_s for outlook in outlooks.values()} == {8.0}


def test_without_a_gpu_there_is_a_place_but_no_time(scheduler: Scheduler) -> None:
    job = a_job(1)
    scheduler.push(job)
    draining = Worker(name="gpu", slots=1, draining=True)
    for workers in ((), (draining,)):
        assert told(scheduler, *workers)[job.job_id] == Outlook(job.job_id, 1, None, "no GPU is up")


def test_a_cold_farm_says_that_the_model_is_loading(scheduler: Scheduler) -> None:
    job = a_job(1)
    scheduler.push(job)
    assert told(scheduler, Worker("gpu", slots=1))[job.job_id].reason == "the model is loading"


def test_every_waiting_job_is_told_something(scheduler: Scheduler) -> None:
    jobs = [a_job(account % 7) for account in range(HORIZON + 20)]
    for job in jobs:
        scheduler.push(job)
    outlooks = forecast(scheduler, [WARM], now=0.0)
    assert {outlook.job_id for outlook in outlooks} == {job.job_id for job in jobs}
    assert {o.reason for o in outlooks[HORIZON:]} == {f"behind more than {HORIZON} jobs"}


def test_a_cap_of_nothing_ends_the_play(scheduler: Scheduler) -> None:
    job = a_job(1, cap=0)
    scheduler.push(job)
    assert told(scheduler, WARM)[job.job_id].position is None


def test_the_future_leaves_no_trace(scheduler: Scheduler) -> None:
    for account in range(5):
        scheduler.push(a_job(account))
    forecast(scheduler, [WARM], now=1000.0)
    assert len(scheduler.waiting) == 5
    assert not scheduler.running
