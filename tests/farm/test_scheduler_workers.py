"""Jobs and workers together: affinity and its bounds, memory, pre-emption, solo lane, work conservation."""

from collections.abc import Iterable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.fleet import Fleet
from farm.placement import Seats
from farm.scheduler import LOOK_AHEAD, OVERTAKEN_S, Pick, Rules, Scheduler, Waiting, Worker
from shared.plans import Speed
from tests.farm.line import NO_CAP, RULES, WEIGHTS, a_job, someone

GIB = 2**30


def served(scheduler: Scheduler, workers: Iterable[Worker], now: float = 0.0) -> list[Pick]:
    """As the leader does it: until nothing finds room."""
    fleet, picks = Fleet(workers), list[Pick]()
    while (pick := scheduler.pop(fleet.workers, now)) is not None:
        fleet.take(pick)
        picks.append(pick)
    return picks


def a_gpu(name: str = "gpu", slots: int = 1, *warm: str, **fields: object) -> Worker:
    return Worker(name, slots, checkpoints=frozenset(warm), **fields)  # type: ignore[arg-type]


# --- affinity -------------------------------------------------------------------------------------


def test_a_warm_job_overtakes_a_cold_one() -> None:
    scheduler = Scheduler(RULES)
    cold, warm = a_job(1, checkpoint="b"), a_job(2, checkpoint="a", at=1.0)
    for job in (cold, warm):
        scheduler.push(job)
    assert [pick.waiting for pick in served(scheduler, [a_gpu("gpu", 1, "a")], 2.0)] == [warm]
    assert [pick.waiting for pick in served(scheduler, [a_gpu("gpu", 1, "b")], 3.0)] == [cold]


def test_a_cold_job_runs_at_once_where_nothing_warm_waits() -> None:
    scheduler = Scheduler(RULES)
    cold = a_job(1, checkpoint="b")
    scheduler.push(cold)
    assert [pick.waiting for pick in served(scheduler, [a_gpu("gpu", 1, "a")])] == [cold]


def test_it_is_overtaken_for_so_long_and_no_longer() -> None:
    scheduler = Scheduler(RULES)
    cold = a_job(1, checkpoint="b")
    scheduler.push(cold)
    for account in range(2, 100):
        scheduler.push(a_job(account, checkpoint="a"))
    now, gpu = 0.0, [a_gpu("gpu", 1, "a")]
    while (pick := scheduler.pop(gpu, now)) and pick.waiting != cold:
        scheduler.ended(pick.waiting.job_id, now)
        now += 1.0
    assert OVERTAKEN_S <= now <= OVERTAKEN_S + 1.0


def test_only_so_many_places_are_looked_ahead() -> None:
    for cold_ones, expected in ((LOOK_AHEAD, "a"), (LOOK_AHEAD + 1, "b")):
        scheduler = Scheduler(RULES)
        for account in range(cold_ones):
            scheduler.push(a_job(account, checkpoint="b"))
        scheduler.push(a_job(999, checkpoint="a"))
        pick = scheduler.pop([a_gpu("gpu", 1, "a")], 0.0)
        assert pick is not None
        assert pick.waiting.checkpoint == expected


def test_who_was_overtaken_does_not_set_the_clock_back() -> None:
    """Whoever comes now starts at the present, not at the place of the job that was passed over."""
    scheduler, gpu = Scheduler(RULES), [a_gpu("gpu", 1, "a")]
    scheduler.push(a_job(1, checkpoint="b"))
    for _ in range(20):
        scheduler.push(a_job(2, checkpoint="a", cost=1000))
    for _ in range(10):
        pick = scheduler.pop(gpu, 0.0)
        assert pick is not None
        scheduler.ended(pick.waiting.job_id, 0.0)
    late = scheduler.pop(gpu, OVERTAKEN_S)
    assert late is not None
    assert late.waiting.checkpoint == "b"
    scheduler.ended(late.waiting.job_id, OVERTAKEN_S)
    for _ in range(20):
        scheduler.push(a_job(3, checkpoint="a", cost=1000, at=0.0))
    served_next = [scheduler.pop(gpu, OVERTAKEN_S) for _ in range(6)]
    mine = sum(pick.waiting.account_id == someone(3) for pick in served_next if pick)
    assert mine <= 4, "a newcomer was owed turns from before it came"


def test_inside_an_account_nobody_overtakes() -> None:
    scheduler = Scheduler(RULES)
    first, second = a_job(1, checkpoint="b"), a_job(1, checkpoint="a", at=1.0)
    for job in (first, second):
        scheduler.push(job)
    assert served(scheduler, [a_gpu("gpu", 1, "a")])[0].waiting == first


def test_each_job_goes_where_its_checkpoint_is() -> None:
    scheduler = Scheduler(RULES)
    for account in range(4):
        scheduler.push(a_job(account, checkpoint="ab"[account % 2]))
    picks = served(scheduler, [a_gpu("gpu-a", 2, "a"), a_gpu("gpu-b", 2, "b")])
    assert {(pick.waiting.checkpoint, pick.worker) for pick in picks} == {
        ("a", "gpu-a"),
        ("b", "gpu-b"),
    }


# --- memory ---------------------------------------------------------------------------------------


def test_a_large_job_waits_for_the_large_gpu_and_holds_nobody_up() -> None:
    scheduler = Scheduler(RULES)
    large, small = a_job(1, vram_bytes=40 * GIB), a_job(2, at=1.0)
    for job in (large, small):
        scheduler.push(job)
    little = a_gpu("little", vram_bytes=8 * GIB)
    full = a_gpu("big", busy={Speed.FAST: 1}, vram_bytes=80 * GIB)
    assert [pick.waiting for pick in served(scheduler, [little, full])] == [small]
    free = a_gpu("big", vram_bytes=80 * GIB)
    assert [pick.waiting for pick in served(scheduler, [little, free])] == [large]


def test_what_no_worker_can_hold_lets_the_next_of_its_account_pass() -> None:
    scheduler = Scheduler(RULES)
    large, small = a_job(1, vram_bytes=40 * GIB), a_job(1, at=1.0)
    for job in (large, small):
        scheduler.push(job)
    little = a_gpu("little", vram_bytes=8 * GIB)
    assert [pick.waiting for pick in served(scheduler, [little])] == [small]
    assert set(scheduler.stranded) == {large.job_id}
    assert large.job_id in scheduler.waiting


def test_a_larger_worker_brings_the_stranded_back() -> None:
    scheduler = Scheduler(RULES)
    large = a_job(1, vram_bytes=40 * GIB)
    scheduler.push(large)
    assert served(scheduler, [a_gpu("little", vram_bytes=8 * GIB)]) == []
    picks = served(scheduler, [a_gpu("big", vram_bytes=80 * GIB)])
    assert [pick.waiting for pick in picks] == [large]
    assert not scheduler.stranded


def test_a_stranded_job_can_be_cancelled() -> None:
    scheduler = Scheduler(RULES)
    large, small = a_job(1, vram_bytes=40 * GIB), a_job(1, at=1.0)
    for job in (large, small):
        scheduler.push(job)
    little = a_gpu("little", 1, vram_bytes=8 * GIB, busy={Speed.FAST: 1})
    assert served(scheduler, [little]) == []
    scheduler.cancel(large.job_id)
    assert not scheduler.stranded
    assert list(scheduler.waiting) == [small.job_id]
    assert len(served(scheduler, [a_gpu("little", vram_bytes=8 * GIB)])) == 1


# --- pre-emption ----------------------------------------------------------------------------------


def test_turbo_is_sent_to_a_gpu_that_is_full_of_relax() -> None:
    scheduler = Scheduler(RULES)
    for account in range(8):
        scheduler.push(a_job(account, Speed.RELAX))
    relax = served(scheduler, [a_gpu("gpu", 4, "postcards")])
    assert len(relax) == 4
    turbo = a_job(99, Speed.TURBO, at=5.0)
    scheduler.push(turbo)
    full = a_gpu("gpu", 4, "postcards", busy={Speed.RELAX: 4})
    assert [pick.waiting for pick in served(scheduler, [full], 5.0)] == [turbo]


def test_turbo_that_has_had_its_share_pushes_nobody_aside() -> None:
    """Ten to one, also on a full GPU: then relax's own turn has come, and the next free slot is its."""
    scheduler = Scheduler(RULES)
    for account in range(8):
        scheduler.push(a_job(account, Speed.RELAX, cost=1000))
    served(scheduler, [a_gpu("gpu", 4, "postcards")])
    for account in range(100, 200):
        scheduler.push(a_job(account, Speed.TURBO, cost=1000, at=5.0))
    full, turbo = a_gpu("gpu", 4, "postcards", busy={Speed.RELAX: 4}), 0
    while (pick := scheduler.pop([full], 5.0)) is not None:
        scheduler.ended(pick.waiting.job_id, 5.0, used_ms=1000)
        turbo += 1
        assert turbo < 50
    assert turbo == pytest.approx(WEIGHTS[Speed.TURBO], abs=1)
    freed = a_gpu("gpu", 4, "postcards", busy={Speed.RELAX: 3})
    pick = scheduler.pop([freed], 6.0)
    assert pick is not None
    assert pick.waiting.lane is Speed.RELAX


def test_a_promoted_relax_job_pushes_nobody_aside() -> None:
    scheduler = Scheduler(RULES)
    scheduler.push(a_job(1, Speed.RELAX))
    full = a_gpu("gpu", 1, "postcards", busy={Speed.RELAX: 1})
    assert served(scheduler, [full], 400.0) == []
    assert scheduler.lane_of(next(iter(scheduler.waiting))) is Speed.FAST


# --- solo lane ------------------------------------------------------------------------------------


def test_from_its_third_attempt_on_a_job_has_a_worker_to_itself() -> None:
    scheduler = Scheduler(RULES)
    suspect, others = a_job(1, alone=True), [a_job(account, at=1.0) for account in range(2, 6)]
    for job in [suspect, *others]:
        scheduler.push(job)
    picks = served(scheduler, [a_gpu("a", 4), a_gpu("b", 4)])
    place = next(pick.worker for pick in picks if pick.waiting == suspect)
    assert [pick.waiting for pick in picks if pick.worker == place] == [suspect]
    assert len(picks) == 5


def test_a_busy_farm_clears_one_worker_for_it() -> None:
    scheduler = Scheduler(RULES)
    for account in range(2, 50):
        scheduler.push(a_job(account, at=5.0))
    scheduler.push(a_job(1, alone=True, at=0.0))
    fleet = [a_gpu("a", 2, busy={Speed.FAST: 2}), a_gpu("b", 2, busy={Speed.FAST: 1})]
    assert served(scheduler, fleet, 6.0) == []  # one slot is free, and it is kept free
    fleet = [a_gpu("a", 2, busy={Speed.FAST: 1}), a_gpu("b", 2)]
    picks = served(scheduler, fleet, 7.0)
    assert {pick.worker for pick in picks if pick.waiting.alone} == {"b"}
    assert {pick.worker for pick in picks if not pick.waiting.alone} == {"a"}


# --- nothing that could run waits -----------------------------------------------------------------

JOBS = st.lists(
    st.tuples(
        st.integers(0, 4),  # account
        st.sampled_from(Speed),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0, 8, 40]),  # GiB
        st.booleans(),  # alone
        st.integers(1, 4000),
    ),
    max_size=25,
)
WORKERS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0, 8, 80]), st.sampled_from(["a", "b", ""])),
    min_size=1,
    max_size=3,
)


def the_jobs(rows: list[tuple[int, Speed, str, int, bool, int]]) -> list[Waiting]:
    return [
        a_job(
            account,
            lane,
            cost=cost,
            cap=1 + account,
            at=float(number),
            checkpoint=checkpoint,
            vram_bytes=gib * GIB,
            alone=alone,
            job_id=UUID(int=number + 1),
        )
        for number, (account, lane, checkpoint, gib, alone, cost) in enumerate(rows)
    ]


def the_fleet(rows: list[tuple[int, int, str]]) -> Fleet:
    return Fleet(
        a_gpu(f"gpu-{number}", slots, *([warm] if warm else []), vram_bytes=gib * GIB)
        for number, (slots, gib, warm) in enumerate(rows)
    )


@settings(max_examples=200, deadline=None)
@given(jobs=JOBS, workers=WORKERS, now=st.sampled_from([0.0, 100.0, 1000.0]))
def test_no_job_that_may_run_waits_beside_a_free_slot(
    jobs: list[tuple[int, Speed, str, int, bool, int]],
    workers: list[tuple[int, int, str]],
    now: float,
) -> None:
    scheduler, fleet = Scheduler(RULES), the_fleet(workers)
    for job in the_jobs(jobs):
        scheduler.push(job)
    running: list[Waiting] = []
    while (pick := scheduler.pop(fleet.workers, now)) is not None:
        worker = next(one for one in fleet.workers if one.name == pick.worker)
        assert worker.holds(pick.waiting.kind)
        assert not worker.alone
        assert (
            worker.jobs == 0
            if pick.waiting.alone
            else worker.open_slots or worker.room(pick.waiting.lane)
        )
        fleet.take(pick)
        running.append(pick.waiting)
        assert sum(one.account_id == pick.waiting.account_id for one in running) <= (
            pick.waiting.max_running
        )
    heads = first_of_each_flow(scheduler, running)
    seats = Seats(fleet.workers, reserved={})
    seats.clear_for(job.kind for job in heads)
    assert [job for job in heads if seats.takers(job.kind, push=False)] == []


def first_of_each_flow(scheduler: Scheduler, running: list[Waiting]) -> list[Waiting]:
    """Whom the order inside an account, its cap and its memory let run, by the rules and not by the code."""
    heads: dict[tuple[UUID, Speed], Waiting] = {}
    for job in sorted(scheduler.waiting.values(), key=lambda job: (job.submitted_at, job.job_id)):
        if job.job_id not in scheduler.stranded:
            heads.setdefault((job.account_id, scheduler.lane_of(job.job_id)), job)
    return [
        job
        for job in heads.values()
        if sum(one.account_id == job.account_id for one in running) < job.max_running
    ]


@settings(max_examples=100, deadline=None)
@given(jobs=JOBS, workers=WORKERS)
def test_everything_that_fits_somewhere_is_served_in_the_end(
    jobs: list[tuple[int, Speed, str, int, bool, int]], workers: list[tuple[int, int, str]]
) -> None:
    """No starvation: with every job ending in turn, nothing is left but what no worker can hold."""
    scheduler, now = Scheduler(RULES), 0.0
    line = the_jobs(jobs)
    for job in line:
        scheduler.push(job)
    seats = Seats(the_fleet(workers).workers, reserved={})
    fitting = {job.job_id for job in line if seats.fits(job.kind)}
    got = set[UUID]()
    for _ in range(len(line) + 1):
        for pick in served(scheduler, the_fleet(workers).workers, now):
            got.add(pick.waiting.job_id)
            scheduler.ended(pick.waiting.job_id, now, used_ms=pick.waiting.cost_ms)
        now += 1.0
    assert got == fitting
    assert set(scheduler.waiting) == {job.job_id for job in line} - fitting


def test_reserved_slots_bound_who_may_come() -> None:
    scheduler = Scheduler(Rules(WEIGHTS, reserved={Speed.TURBO: 1}))
    for account in range(5):
        scheduler.push(a_job(account, Speed.RELAX))
    assert len(served(scheduler, [a_gpu("gpu", 3)])) == 2
    scheduler.push(a_job(9, Speed.TURBO))
    picks = served(scheduler, [a_gpu("gpu", 3, busy={Speed.RELAX: 2})])
    assert [pick.waiting.lane for pick in picks] == [Speed.TURBO]


def test_the_order_it_tells_is_the_order_it_serves() -> None:
    scheduler = Scheduler(RULES)
    for number in range(60):
        lane = list(Speed)[number % 3]
        scheduler.push(a_job(number % 7, lane, cost=100 + 37 * number, cap=NO_CAP, at=number / 10))
    told = [job.job_id for job in scheduler.order()]
    picks = served(scheduler, [a_gpu("gpu", 10**6, "postcards")], 6.0)
    assert [pick.waiting.job_id for pick in picks] == told
    assert scheduler.order() == []
    assert someone(1) not in scheduler.stranded
