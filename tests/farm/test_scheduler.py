"""The fair queue against plain models of what it promises."""

from collections import Counter, defaultdict
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.lanes import STALENESS_MS_PER_S
from farm.scheduler import PROMOTIONS, Running, Scheduler, Waiting
from shared.plans import Speed
from tests.farm.line import RULES, WEIGHTS, a_job, drained, popped, someone


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(RULES)


# --- order ----------------------------------------------------------------------------------


def test_nothing_waits_nothing_runs(scheduler: Scheduler) -> None:
    assert popped(scheduler, 0.0) is None


def test_first_come_inside_an_account(scheduler: Scheduler) -> None:
    jobs = [a_job(at=float(second)) for second in (3, 1, 2)]
    for job in jobs:
        scheduler.push(job)
    assert [job.submitted_at for job in drained(scheduler)] == [1.0, 2.0, 3.0]


def test_a_rescued_job_keeps_its_age(scheduler: Scheduler) -> None:
    old, new = a_job(at=1.0), a_job(at=2.0)
    scheduler.push(old)
    assert popped(scheduler, 3.0) == old
    scheduler.push(new)
    scheduler.ended(old.job_id, 4.0)
    scheduler.push(old)
    assert list(drained(scheduler, now=5.0)) == [old, new]


def test_a_light_account_does_not_wait_behind_a_heavy_one(scheduler: Scheduler) -> None:
    for _ in range(1000):
        scheduler.push(a_job(account=1))
    for account in range(2, 22):
        scheduler.push(a_job(account=account, at=1.0))
    first = [job.account_id for job, _ in zip(drained(scheduler), range(22), strict=False)]
    assert {someone(account) for account in range(2, 22)} <= set(first)


def test_resting_saves_up_no_turns(scheduler: Scheduler) -> None:
    """An account that comes late to a long queue shares from now on; it is owed nothing."""
    for _ in range(200):
        scheduler.push(a_job(account=1))
    running = drained(scheduler)
    for _ in range(100):
        next(running)
    for _ in range(50):
        scheduler.push(a_job(account=2, at=1.0))
    served = Counter(next(running).account_id for _ in range(40))
    assert served[someone(1)] == pytest.approx(20, abs=1)


def test_submitting_one_at_a_time_wins_nothing(scheduler: Scheduler) -> None:
    for _ in range(100):
        scheduler.push(a_job(account=1))
    served: Counter[UUID] = Counter()
    for _ in range(60):
        if not any(job.account_id == someone(2) for job in scheduler.waiting.values()):
            scheduler.push(a_job(account=2, at=1.0))
        job = popped(scheduler, 0.0)
        assert job is not None
        scheduler.ended(job.job_id, 0.0)
        served[job.account_id] += 1
    assert served[someone(2)] <= 31


def test_a_free_job_gets_no_endless_first_place(scheduler: Scheduler) -> None:
    for _ in range(5000):
        scheduler.push(a_job(account=1, cost=0))
    scheduler.push(a_job(account=2, cost=1000, at=1.0))
    order = [job.account_id for job in drained(scheduler)]
    # Being a second older is worth five of those jobs, and no more.
    assert order.index(someone(2)) <= 1 + STALENESS_MS_PER_S


# --- shares ---------------------------------------------------------------------------------


def _served_by(scheduler: Scheduler, rounds: int, key: str) -> Counter[object]:
    served: Counter[object] = Counter()
    for job, _ in zip(drained(scheduler), range(rounds), strict=False):
        served[getattr(job, key)] += job.cost_ms
    return served


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lanes_share_by_weight_within_two_percent(seed: int) -> None:
    random, scheduler = Random(seed), Scheduler(RULES)
    for speed in Speed:
        for _ in range(4000):
            scheduler.push(a_job(random.randrange(50), speed, cost=random.randint(200, 4000)))
    served = _served_by(scheduler, 4000, "lane")
    total = sum(served.values())
    for speed, weight in WEIGHTS.items():
        assert served[speed] / total == pytest.approx(weight / 16, abs=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_accounts_share_by_plan_weight_within_two_percent(seed: int) -> None:
    random, scheduler = Random(seed), Scheduler(RULES)
    weights = {1: 4, 2: 2, 3: 1}
    for account, weight in weights.items():
        for _ in range(4000):
            scheduler.push(a_job(account, cost=random.randint(200, 4000), weight=weight))
    served = _served_by(scheduler, 4000, "account_id")
    total = sum(served.values())
    for account, weight in weights.items():
        assert served[someone(account)] / total == pytest.approx(weight / 7, abs=0.02)


@given(
    costs=st.lists(st.tuples(st.sampled_from(Speed), st.integers(1, 9000)), min_size=1, max_size=60)
)
def test_lanes_never_drift_apart(costs: list[tuple[Speed, int]]) -> None:
    """While two lanes both have work, their service over weight differs by at most one job of each."""
    scheduler = Scheduler(RULES)
    left = Counter[Speed]()
    for speed, cost in costs:
        scheduler.push(a_job(lane=speed, cost=cost))
        left[speed] += 1
    served: defaultdict[Speed, float] = defaultdict(float)
    together = [speed for speed in Speed if left[speed]]
    for job in drained(scheduler):
        served[job.lane] += job.cost_ms / WEIGHTS[job.lane]
        left[job.lane] -= 1
        if not all(left[speed] for speed in together):
            return
        for one in together:
            for other in together:
                bound = 9000 / WEIGHTS[one] + 9000 / WEIGHTS[other]
                assert abs(served[one] - served[other]) <= bound


# --- caps and work conservation ---------------------------------------------------------------


def test_an_account_at_its_cap_lets_others_pass(scheduler: Scheduler) -> None:
    mine = [a_job(account=1, cap=2, at=float(n)) for n in range(3)]
    other = a_job(account=2, at=9.0)
    for job in [*mine, other]:
        scheduler.push(job)
    served = [popped(scheduler, 10.0) for _ in range(4)]
    assert served[-1] is None
    assert {job.job_id for job in served if job} == {
        mine[0].job_id,
        mine[1].job_id,
        other.job_id,
    }
    assert scheduler.cap_reached(someone(1)) == 2
    scheduler.ended(mine[0].job_id, 11.0)
    assert popped(scheduler, 11.0) == mine[2]


def test_the_cap_counts_jobs_of_every_lane_and_of_the_leader_before(scheduler: Scheduler) -> None:
    scheduler.adopt(UUID(int=7), Running(someone(1), cost_ms=1000, since=0.0))
    scheduler.push(a_job(account=1, lane=Speed.TURBO, cap=1))
    scheduler.push(a_job(account=1, lane=Speed.RELAX, cap=1))
    assert popped(scheduler, 0.0) is None
    scheduler.ended(UUID(int=7), 1.0)
    assert popped(scheduler, 1.0) is not None
    assert popped(scheduler, 1.0) is None


def test_a_raised_cap_counts_at_once(scheduler: Scheduler) -> None:
    for _ in range(2):
        scheduler.push(a_job(account=1, cap=1))
    assert popped(scheduler, 0.0) is not None
    assert popped(scheduler, 0.0) is None
    scheduler.push(a_job(account=1, cap=2))
    assert popped(scheduler, 0.0) is not None


Action = tuple[str, int, int, int]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["push", "push", "pop", "pop", "cancel", "end", "wait"]),
        st.integers(0, 5),
        st.integers(0, 2),
        st.integers(0, 5000),
    ),
    max_size=120,
)


class Model:
    """What a reader of the rules would keep: who waits, who runs, and nothing about order."""

    def __init__(self) -> None:
        self.waiting: dict[UUID, Waiting] = {}
        self.running: dict[UUID, Waiting] = {}

    def running_of(self, account_id: UUID) -> int:
        return sum(job.account_id == account_id for job in self.running.values())

    def eligible(self) -> list[Waiting]:
        return [
            job
            for job in self.waiting.values()
            if self.running_of(job.account_id) < job.max_running
        ]


def play(actions: list[Action]) -> list[UUID]:
    """Plays the actions on the queue and on the model, and returns the order of pops."""
    scheduler, model, now, order = Scheduler(RULES), Model(), 0.0, []
    for number, (action, account, lane, size) in enumerate(actions):
        now += 0.5
        if action == "push":
            job = a_job(
                account,
                list(Speed)[lane],
                cost=size,
                weight=(1, 2, 4)[account % 3],
                cap=1 + account % 3,
                at=now,
                job_id=UUID(int=number),
            )
            scheduler.push(job)
            model.waiting[job.job_id] = job
        elif action == "pop":
            taken = popped(scheduler, now)
            assert (taken is None) == (not model.eligible()), "work was refused or invented"
            if taken is not None:
                assert taken in model.eligible()
                model.running[taken.job_id] = model.waiting.pop(taken.job_id)
                order.append(taken.job_id)
        elif action == "cancel" and model.waiting:
            victim = sorted(model.waiting)[size % len(model.waiting)]
            scheduler.cancel(victim)
            del model.waiting[victim]
        elif action == "end" and model.running:
            victim = sorted(model.running)[size % len(model.running)]
            scheduler.ended(victim, now)
            del model.running[victim]
        elif action == "wait":
            now += size / 10
        assert scheduler.waiting.keys() == model.waiting.keys()
        assert scheduler.running.keys() == model.running.keys()
    return order


@settings(max_examples=300)
@given(actions=ACTIONS)
def test_work_conservation_caps_and_cancel_at_any_time(actions: list[Action]) -> None:
    play(actions)


@given(actions=ACTIONS)
def test_the_same_story_gives_the_same_order(actions: list[Action]) -> None:
    assert play(actions) == play(actions)


@given(actions=ACTIONS)
def test_a_twin_has_the_same_future_and_leaves_no_trace(actions: list[Action]) -> None:
    scheduler = Scheduler(RULES)
    for number, (_, account, lane, size) in enumerate(actions):
        job = a_job(
            account, list(Speed)[lane], cost=size, at=float(number), job_id=UUID(int=number)
        )
        scheduler.push(job)
        if size % 3 == 0:
            list(zip(range(size % 2), drained(scheduler), strict=False))
    twin = scheduler.copy()
    future = [job.job_id for job in drained(twin, now=1e4)]
    assert len(future) == len(scheduler.waiting)
    assert [job.job_id for job in drained(scheduler, now=1e4)] == future


# --- no starvation, promotion -----------------------------------------------------------------


@pytest.mark.parametrize(("lane", "bound"), [(Speed.RELAX, 20), (Speed.FAST, 6)])
def test_no_lane_starves_under_endless_turbo(scheduler: Scheduler, lane: Speed, bound: int) -> None:
    low = a_job(account=1, lane=lane)
    scheduler.push(low)
    for turn in range(bound):
        scheduler.push(a_job(account=2 + turn, lane=Speed.TURBO))
        scheduler.push(a_job(account=100 + turn, lane=Speed.TURBO))
        if popped(scheduler, 0.0) == low:
            return
    pytest.fail(f"{lane} did not run in {bound} turns")


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_every_job_is_served_once(seed: int) -> None:
    random, scheduler = Random(seed), Scheduler(RULES)
    jobs = [
        a_job(random.randrange(8), random.choice(list(Speed)), cost=random.randrange(5000))
        for _ in range(100)
    ]
    for job in jobs:
        scheduler.push(job)
    served = [job.job_id for job in drained(scheduler)]
    assert sorted(served) == sorted(job.job_id for job in jobs)


@pytest.mark.parametrize("lane", [Speed.FAST, Speed.RELAX])
def test_past_its_lanes_limit_a_job_moves_up(lane: Speed) -> None:
    """A spent account waits behind its neighbours, until age gives its job a turn one lane higher."""
    limit, _ = PROMOTIONS[lane]
    for now, expected in ((limit - 1, False), (limit, True)):
        scheduler = Scheduler(RULES)
        for _ in range(50):
            scheduler.push(a_job(account=2, lane=lane, at=now))
        scheduler.push(a_job(account=1, lane=lane, cost=100_000))
        while (spent := popped(scheduler, 0.0)) and spent.account_id != someone(1):
            pass
        aged = a_job(account=1, lane=lane)
        scheduler.push(aged)
        assert (popped(scheduler, now) == aged) is expected


def test_those_who_moved_up_do_not_crowd_out_those_who_paid_for_the_lane() -> None:
    """An overload of fast jobs past their limit: they wait in turbo's lane, before every younger fast
    job, and yet turbo has its ten parts and fast its five."""
    scheduler = Scheduler(RULES)
    for number in range(300):
        scheduler.push(a_job(number % 2, Speed.TURBO, at=60.0))
        scheduler.push(a_job(10 + number % 20, Speed.FAST))
    for _ in range(10):
        scheduler._promote(60.0)
    young = [a_job(50 + number, Speed.FAST, at=60.0) for number in range(5)]
    for job in young:
        scheduler.push(job)
    assert Counter(map(scheduler.lane_of, scheduler.waiting)) == {Speed.TURBO: 600, Speed.FAST: 5}
    told = [waiting.lane for waiting in scheduler.order()]
    order = list(drained(scheduler, now=60.0))
    assert Counter(job.lane for job in order[:300])[Speed.TURBO] == pytest.approx(200, abs=2)
    assert [job.job_id for job in order if job.lane is Speed.FAST][-5:] == [
        job.job_id for job in young
    ]
    assert Counter(told[:300])[Speed.TURBO] == pytest.approx(200, abs=2)


def test_those_who_moved_up_do_not_starve_relax() -> None:
    scheduler = Scheduler(RULES)
    for number in range(300):
        scheduler.push(a_job(number % 20, Speed.FAST))
        scheduler.push(a_job(50 + number % 20, Speed.RELAX, at=60.0))
    for _ in range(10):
        scheduler._promote(60.0)
    order = [job.lane for job in drained(scheduler, now=60.0)]
    assert Counter(order[:120])[Speed.RELAX] == pytest.approx(20, abs=2)


def test_a_relax_job_never_climbs_into_turbo(scheduler: Scheduler) -> None:
    relax = a_job(account=1, lane=Speed.RELAX)
    scheduler.push(relax)
    for minute in range(100):
        scheduler._promote(60.0 * minute)
    assert scheduler._lane_of[relax.job_id] is Speed.FAST


def test_promotion_is_bounded_and_goes_on_at_the_next_pop(scheduler: Scheduler) -> None:
    for _ in range(100):
        scheduler.push(a_job(lane=Speed.FAST, cost=1))
    popped(scheduler, 60.0)
    risen = sum(lane is Speed.TURBO for lane in scheduler._lane_of.values())
    assert 0 < risen < 50
    for _ in range(5):
        popped(scheduler, 60.0)
    assert all(lane is Speed.TURBO for lane in scheduler._lane_of.values())


def test_waiting_for_ones_own_cap_is_no_age(scheduler: Scheduler) -> None:
    first, second = a_job(cap=1), a_job(cap=1)
    scheduler.push(first)
    scheduler.push(second)
    assert popped(scheduler, 0.0) == first
    scheduler.ended(first.job_id, 500.0)
    scheduler._promote(559.0)
    assert scheduler._lane_of[second.job_id] is Speed.FAST
    scheduler._promote(560.0)
    assert scheduler._lane_of[second.job_id] is Speed.TURBO


def test_rested_accounts_are_forgotten(scheduler: Scheduler) -> None:
    for account in range(5000):
        scheduler.push(a_job(account=account, cost=10))
        list(drained(scheduler))
    assert len(scheduler._accounts) == 0
    assert len(scheduler._lanes[Speed.FAST].flows) < 1100


def test_relax_has_a_cap_of_its_own_below_the_account_s() -> None:
    scheduler = Scheduler(RULES)
    relaxed = [replace(a_job(lane=Speed.RELAX, cap=3), max_running_relax=1) for _ in range(2)]
    fast = [replace(a_job(cap=3), max_running_relax=1) for _ in range(2)]
    for job in (*relaxed, *fast):
        scheduler.push(job)
    first = [popped(scheduler) for _ in range(4)]
    assert sorted(job.lane for job in first if job) == ["fast", "fast", "relax"]
    assert first[3] is None
    assert scheduler.cap_reached(someone(1), Speed.RELAX) == 3
    for job in fast:
        scheduler.ended(job.job_id, 1.0)
    assert popped(scheduler, 1.0) is None
    assert scheduler.cap_reached(someone(1)) is None
    assert scheduler.cap_reached(someone(1), Speed.RELAX) == 1
    one = next(job for job in first if job and job.lane is Speed.RELAX)
    scheduler.ended(one.job_id, 400.0)
    # It waited for its own other one, which is no age that moves a job up.
    other = popped(scheduler, 401.0)
    assert other is not None
    assert other.lane is Speed.RELAX
