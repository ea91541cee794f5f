"""Place, times and reason of every waiting job, and what workers had better read ahead."""

from itertools import count
from typing import Any
from uuid import UUID

import pytest

from farm import forecast as foretelling
from farm.forecast import LATE, LOAD_S, NO_GPU, Outlook, forecast, foresee
from farm.scheduler import Rules, Scheduler, Waiting, Worker
from shared.plans import Speed

RULES = Rules({Speed.TURBO: 10, Speed.FAST: 5, Speed.RELAX: 1})
WARM = Worker(name="gpu", slots=1, checkpoints=frozenset({"postcards"}))
GIB = 2**30
_ids = count(1)


def a_job(account: int, *, cap: int = 9, lane: Speed = Speed.FAST, **fields: Any) -> Waiting:
    given: dict[str, Any] = {"cost_ms": 2000, "submitted_at": 0.0, "checkpoint": "postcards"}
    return Waiting(
        job_id=UUID(int=next(_ids)),
        account_id=UUID(int=account),
        lane=lane,
        plan_weight=1,
        max_running=cap,
        **given | fields,
    )


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(RULES)


def told(scheduler: Scheduler, *workers: Worker, now: float = 0.0) -> dict[UUID, Outlook]:
    return {outlook.job_id: outlook for outlook in forecast(scheduler, workers, now=now)}


def test_places_are_the_order_of_the_pops_to_come(scheduler: Scheduler) -> None:
    jobs = [a_job(account, lane=lane) for lane in reversed(Speed) for account in (1, 2, 3)]
    for job in jobs:
        scheduler.push(job)
    outlooks = forecast(scheduler, [WARM], now=0.0)
    order = []
    while (pick := scheduler.pop([WARM], 0.0)) is not None:
        scheduler.ended(pick.waiting.job_id, 0.0)
        order.append(pick.waiting.job_id)
    assert [outlook.job_id for outlook in outlooks] == order
    assert [outlook.position for outlook in outlooks] == list(range(1, 10))


def test_reasons_times_and_ranges(scheduler: Scheduler) -> None:
    running, second, third = a_job(1), a_job(2), a_job(3)
    for job in (running, second, third):
        scheduler.push(job)
    first = scheduler.pop([WARM], 100.0)
    assert first is not None
    assert first.waiting == running
    busy = WARM.with_job(running.kind)
    outlooks = {one.job_id: one for one in forecast(scheduler, [busy], now=101.0, spread=0.2)}
    # one second of the running job is left, then two for each
    second_told, third_told = outlooks[second.job_id], outlooks[third.job_id]
    assert (second_told.start_s, second_told.eta_s) == (1.0, 3.0)
    assert (third_told.start_s, third_told.eta_s) == (3.0, 5.0)
    assert (third_told.eta_low_s, third_told.eta_high_s) == (4.0, 5.0 * (1 + LATE * 0.2))
    assert (second_told.reason, third_told.reason) == ("next in line", "behind 1 job")


def test_what_a_running_job_says_of_its_end_counts_more_than_its_estimate(
    scheduler: Scheduler,
) -> None:
    running, waiting = a_job(1), a_job(2)
    for job in (running, waiting):
        scheduler.push(job)
    assert scheduler.pop([WARM], 100.0) is not None
    busy = WARM.with_job(running.kind)
    due = {running.job_id: 131.0}
    (outlook,) = foresee(scheduler, [busy], now=101.0, due=due).outlooks
    assert (outlook.start_s, outlook.eta_s) == (30.0, 32.0)


def test_slots_of_one_gpu_share_it(scheduler: Scheduler) -> None:
    for account in range(4):
        scheduler.push(a_job(account))
    quad = Worker(name="gpu", slots=4, checkpoints=frozenset({"postcards"}))
    assert [outlook.eta_s for outlook in forecast(scheduler, [quad], now=0.0)] == [8.0] * 4
    assert [o.eta_s for o in forecast(scheduler, [quad], now=0.0, pace=0.5)] == [4.0] * 4


def test_ones_own_cap_is_said_and_counted_in_the_time(scheduler: Scheduler) -> None:
    mine = [a_job(1, cap=2) for _ in range(3)]
    other = a_job(2)
    for job in mine:
        scheduler.push(job)
    two = Worker(name="gpu", slots=2, checkpoints=frozenset({"postcards"}))
    for job in mine[:2]:
        pick = scheduler.pop([two], 0.0)
        assert pick is not None
        assert pick.waiting == job
        two = two.with_job(job.kind)
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
        outlook = told(scheduler, *workers)[job.job_id]
        assert (outlook.position, outlook.reason) == (1, NO_GPU)
        assert {outlook.start_s, outlook.eta_s, outlook.eta_low_s, outlook.eta_high_s} == {None}


def test_faster_ones_before_it_are_the_reason(scheduler: Scheduler) -> None:
    """Relax is served once, and then stands behind what is ten times as heavy."""
    first, relax = a_job(1, lane=Speed.RELAX), a_job(5, lane=Speed.RELAX)
    scheduler.push(first)
    assert scheduler.pop([WARM], 0.0) is not None
    for job in (relax, *(a_job(n, lane=Speed.TURBO) for n in (2, 3)), a_job(4)):
        scheduler.push(job)
    last = forecast(scheduler, [WARM.with_job(first.kind)], now=0.0)[-1]
    assert last.job_id == relax.job_id
    assert last.reason == "behind 3 jobs, 3 of them turbo or fast"


def test_a_cold_farm_says_that_the_model_is_loading_and_counts_it(scheduler: Scheduler) -> None:
    job = a_job(1)
    scheduler.push(job)
    outlook = told(scheduler, Worker("gpu", slots=1))[job.job_id]
    assert outlook.reason == "the model is loading"
    assert outlook.eta_s == 2.0 + LOAD_S


def test_memory_that_nobody_has_is_said_with_the_number(scheduler: Scheduler) -> None:
    large, small = a_job(1, vram_bytes=40 * GIB), a_job(1)
    for job in (large, small):
        scheduler.push(job)
    little = Worker("gpu", 1, checkpoints=frozenset({"postcards"}), vram_bytes=8 * GIB)
    outlooks = told(scheduler, little)
    assert outlooks[large.job_id].reason == (
        "no GPU that is up has the 40 GiB of memory that it needs"
    )
    assert outlooks[large.job_id].position is None
    assert outlooks[small.job_id].position == 1


def test_who_must_run_alone_is_told_so(scheduler: Scheduler) -> None:
    job = a_job(1, alone=True)
    scheduler.push(job)
    assert "of its own" in told(scheduler, WARM)[job.job_id].reason


def test_turbo_is_due_at_once_on_a_gpu_full_of_relax(scheduler: Scheduler) -> None:
    relax = [a_job(n, lane=Speed.RELAX) for n in (1, 2)]
    for job in relax:
        scheduler.push(job)
    pick = scheduler.pop([WARM], 0.0)
    assert pick is not None
    turbo = a_job(3, lane=Speed.TURBO)
    scheduler.push(turbo)
    outlooks = told(scheduler, WARM.with_job(pick.waiting.kind))
    assert outlooks[turbo.job_id].start_s == 0.0
    assert outlooks[relax[1].job_id].start_s == 2.0


def test_beyond_the_horizon_there_is_still_a_place_and_a_guess(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foretelling, "HORIZON", 10)
    for account in range(50):
        scheduler.push(a_job(account))
    outlooks = forecast(scheduler, [WARM], now=0.0)
    assert [outlook.position for outlook in outlooks] == list(range(1, 51))
    starts = [outlook.start_s or 0.0 for outlook in outlooks]
    assert starts == sorted(starts)
    assert starts[-1] == pytest.approx(49 * 2.0, rel=0.05)


def test_beyond_the_furthest_every_job_still_hears_something(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foretelling, "HORIZON", 10)
    monkeypatch.setattr(foretelling, "FURTHEST", 30)
    jobs = [a_job(account % 7) for account in range(50)]
    for job in jobs:
        scheduler.push(job)
    outlooks = forecast(scheduler, [WARM], now=0.0)
    assert {outlook.job_id for outlook in outlooks} == {job.job_id for job in jobs}
    assert {one.reason for one in outlooks[30:]} == {"behind more than 30 jobs"}
    assert all(one.position is None for one in outlooks[30:])


def test_a_cap_of_nothing_ends_the_play(scheduler: Scheduler) -> None:
    job = a_job(1, cap=0)
    scheduler.push(job)
    assert "cap of 0" in told(scheduler, WARM)[job.job_id].reason


def test_the_future_leaves_no_trace(scheduler: Scheduler) -> None:
    for account in range(5):
        scheduler.push(a_job(account))
    before = [job.job_id for job in scheduler.order()]
    forecast(scheduler, [WARM], now=1000.0)
    assert [job.job_id for job in scheduler.order()] == before
    assert not scheduler.running


# --- read ahead -----------------------------------------------------------------------------------


def test_the_next_checkpoint_is_expected_where_it_will_be_needed(scheduler: Scheduler) -> None:
    scheduler.push(a_job(1, checkpoint="portraits"))
    scheduler.push(a_job(2, checkpoint="portraits"))
    a, b = Worker("a", 1, checkpoints=frozenset({"postcards"})), WARM
    expected = foresee(scheduler, [a, b], now=0.0).expected
    assert sum("portraits" in names for names in expected.values()) >= 1
    assert set(expected) <= {"a", "gpu"}


def test_what_is_warm_is_not_expected(scheduler: Scheduler) -> None:
    scheduler.push(a_job(1))
    assert foresee(scheduler, [WARM], now=0.0).expected == {}


def test_what_is_needed_late_is_not_expected_yet(scheduler: Scheduler) -> None:
    scheduler.push(a_job(1, cost_ms=10_000_000))
    scheduler.push(a_job(2, checkpoint="portraits", submitted_at=1.0))
    assert foresee(scheduler, [WARM], now=0.0).expected == {}
