"""Shares that hold although estimates are wrong, floors, and who used a lot lately."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.scheduler import PROMOTIONS, Rules, Scheduler, Waiting
from farm.usage import HALF_LIFE_S, MOST_MS, RecentUse
from shared.plans import Speed
from tests.farm.line import RULES, WEIGHTS, a_job, drained, popped, someone

Cost = Callable[[Waiting], float]


def spent(
    scheduler: Scheduler, rounds: int, *, really: Cost, by: Callable[[Waiting], object]
) -> Counter[object]:
    """What each got of the GPU, one job after the other, when jobs take what they `really` take."""
    got: Counter[object] = Counter()
    for _ in range(rounds):
        job = popped(scheduler)
        assert job is not None, "a backlog that ended says nothing about shares"
        used = really(job)
        scheduler.ended(job.job_id, 0.0, used_ms=used)
        got[by(job)] += round(used)
    return got


# --- corrected by what was really used ----------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lanes_share_what_is_really_used(seed: int) -> None:
    """Turbo says a third of what it takes, relax three times as much; the shares do not mind."""
    random, scheduler = Random(seed), Scheduler(RULES)
    lies = {Speed.TURBO: 3.0, Speed.FAST: 1.0, Speed.RELAX: 1 / 3}
    for speed in Speed:
        for _ in range(9000):
            scheduler.push(a_job(random.randrange(40), speed, cost=random.randint(200, 4000)))
    got = spent(
        scheduler, 6000, really=lambda job: job.cost_ms * lies[job.lane], by=lambda job: job.lane
    )
    for speed, weight in WEIGHTS.items():
        assert got[speed] / sum(got.values()) == pytest.approx(weight / 16, abs=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_accounts_share_what_is_really_used(seed: int) -> None:
    """Pro 4 : Paid 2 : Free 1, although each account's jobs take what they like."""
    random, scheduler = Random(seed), Scheduler(RULES)
    weights, lies = {1: 4, 2: 2, 3: 1}, {someone(1): 0.2, someone(2): 1.0, someone(3): 5.0}
    for account, weight in weights.items():
        for _ in range(20_000 // weight):
            scheduler.push(a_job(account, cost=random.randint(200, 4000), weight=weight))
    got = spent(
        scheduler,
        5000,
        really=lambda job: job.cost_ms * lies[job.account_id],
        by=lambda job: job.account_id,
    )
    for account, weight in weights.items():
        assert got[someone(account)] / sum(got.values()) == pytest.approx(weight / 7, abs=0.02)


def test_without_the_correction_a_liar_would_get_more() -> None:
    """What the test above is worth: the same story, with nobody measured."""
    scheduler = Scheduler(RULES)
    for account in (1, 2):
        for _ in range(200):
            scheduler.push(a_job(account))
    lies = {someone(1): 5.0, someone(2): 1.0}
    got: Counter[object] = Counter()
    for job, _ in zip(drained(scheduler), range(200), strict=False):
        got[job.account_id] += round(job.cost_ms * lies[job.account_id])
    assert got[someone(1)] == 5 * got[someone(2)]


def test_one_job_at_a_time_hides_nothing() -> None:
    """Nothing of it waits when its job ends, and yet it is known the next time what that job took."""
    scheduler, got = Scheduler(RULES), Counter[object]()
    for _ in range(400):
        scheduler.push(a_job(1, cost=1000))
    for _ in range(300):
        if not any(job.account_id == someone(2) for job in scheduler.waiting.values()):
            scheduler.push(a_job(2, cost=100))
        job = popped(scheduler)
        assert job is not None
        used = 5000 if job.account_id == someone(2) else 1000
        scheduler.ended(job.job_id, 0.0, used_ms=used)
        got[job.account_id] += used
    assert got[someone(2)] / sum(got.values()) == pytest.approx(0.5, abs=0.02)


def test_what_was_not_used_is_given_back_but_is_no_credit_from_before() -> None:
    """A job that took nothing leaves its account where a newcomer stands, not before it."""
    scheduler = Scheduler(RULES)
    scheduler.push(a_job(1, cost=100_000))
    first = popped(scheduler)
    assert first is not None
    scheduler.push(a_job(2, at=1.0))
    scheduler.push(a_job(1, at=2.0))
    scheduler.ended(first.job_id, 3.0, used_ms=0)
    assert [job.account_id for job in drained(scheduler)] == [someone(2), someone(1)]


@settings(max_examples=60)
@given(
    story=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5000), st.floats(0, 4)), max_size=80)
)
def test_two_that_never_rest_are_never_further_apart_than_their_largest_jobs(
    story: list[tuple[int, int, float]],
) -> None:
    """The bound of start-time fair queueing, in what was really used; every estimate may be wrong."""
    scheduler, took = Scheduler(RULES), {}
    for account, cost, lie in story:
        job = a_job(account, cost=cost)
        took[job.job_id] = max(cost * lie, 1.0)
        scheduler.push(job)
    left = Counter(job.account_id for job in scheduler.waiting.values())
    together, most = set(left), max(took.values(), default=0.0)
    got: Counter[object] = Counter()
    while (next_one := popped(scheduler)) is not None and all(left[one] for one in together):
        scheduler.ended(next_one.job_id, 0.0, used_ms=took[next_one.job_id])
        got[next_one.account_id] += took[next_one.job_id]  # type: ignore[assignment]
        left[next_one.account_id] -= 1
        assert max(got[one] for one in together) - min(got[one] for one in together) <= 2 * most + 5


# --- floors and recent use ----------------------------------------------------------------------


@pytest.mark.parametrize(("floor", "share"), [(0.05, 0.05), (0.2, 0.2), (0.0, 1 / 1501)])
def test_relax_keeps_its_floor_whatever_the_weights_are(floor: float, share: float) -> None:
    weights = {Speed.TURBO: 1000, Speed.FAST: 500, Speed.RELAX: 1}
    scheduler = Scheduler(Rules(weights, relax_floor=floor))
    for speed in Speed:
        for account in range(3000):
            scheduler.push(a_job(account % 20, speed, cost=1000))
    got = spent(scheduler, 2500, really=lambda job: job.cost_ms, by=lambda job: job.lane)
    assert got[Speed.RELAX] / sum(got.values()) == pytest.approx(share, abs=0.005)


def test_a_recent_heavy_user_of_relax_waits_behind_a_light_one() -> None:
    scheduler = Scheduler(RULES)
    for _ in range(5):
        scheduler.push(a_job(1, Speed.RELAX, cost=20_000))
    list(drained(scheduler))
    scheduler.push(a_job(1, Speed.RELAX, at=10.0), 10.0)
    scheduler.push(a_job(2, Speed.RELAX, at=20.0), 20.0)
    assert [job.account_id for job in drained(scheduler, now=21.0)] == [someone(2), someone(1)]


def test_an_hour_later_nobody_remembers() -> None:
    scheduler, later = Scheduler(RULES), 20 * HALF_LIFE_S
    for _ in range(5):
        scheduler.push(a_job(1, Speed.RELAX, cost=20_000))
    list(drained(scheduler))
    scheduler.push(a_job(1, Speed.RELAX, at=later), later)
    scheduler.push(a_job(2, Speed.RELAX, at=later + 1), later + 1)
    assert [job.account_id for job in drained(scheduler, now=later)] == [someone(1), someone(2)]


def test_fast_is_paid_for_and_remembers_nothing() -> None:
    scheduler = Scheduler(RULES)
    for _ in range(5):
        scheduler.push(a_job(1, Speed.FAST, cost=20_000))
    list(drained(scheduler))
    scheduler.push(a_job(1, Speed.FAST, at=10.0), 10.0)
    scheduler.push(a_job(2, Speed.FAST, at=20.0), 20.0)
    assert [job.account_id for job in drained(scheduler, now=21.0)] == [someone(1), someone(2)]


def test_a_heavy_user_is_put_behind_but_never_shut_out() -> None:
    """The debt is bounded: its turn comes after so much of the work of those who use little."""
    scheduler = Scheduler(RULES)
    scheduler.relax_use.add(someone(1), 1e9, 0.0)
    for account in range(2, 12):
        for _ in range(200):
            scheduler.push(a_job(account, Speed.RELAX, cost=1000), 0.0)
    scheduler.push(a_job(1, Speed.RELAX, cost=1000), 0.0)
    order = [job.account_id for job in drained(scheduler)]
    assert 10 < order.index(someone(1)) <= 10 * MOST_MS / 1000 + 1


def test_not_even_endless_newcomers_keep_a_heavy_user_out_for_long() -> None:
    """Past its lane's limit the job moves up, and leaves them behind."""
    limit, _ = PROMOTIONS[Speed.RELAX]
    scheduler = Scheduler(RULES)
    scheduler.relax_use.add(someone(1), 1e9, 0.0)
    scheduler.push(a_job(1, Speed.RELAX), 0.0)
    for second in range(round(limit)):
        for account in (2, 3):
            scheduler.push(a_job(account + 10 * second, Speed.RELAX, at=float(second)))
        job = popped(scheduler, float(second))
        assert job is not None
        assert job.account_id != someone(1)
        scheduler.ended(job.job_id, float(second))
    next_two = [popped(scheduler, limit + 1.0) for _ in range(2)]
    assert someone(1) in {job.account_id for job in next_two if job}


def test_use_halves_and_is_forgotten() -> None:
    use = RecentUse()
    use.add(someone(1), 1000.0, 0.0)
    assert use.of(someone(1), HALF_LIFE_S) == pytest.approx(500.0)
    use.add(someone(1), 500.0, HALF_LIFE_S)
    assert use.of(someone(1), HALF_LIFE_S) == pytest.approx(1000.0)
    for number in range(2, 3000):
        use.add(someone(number), 1.0, 60 * HALF_LIFE_S)
    assert use.of(someone(1), 60 * HALF_LIFE_S) < 1e-9
    assert len(use._used) < 3000


# --- staleness ----------------------------------------------------------------------------------


def test_of_two_with_the_same_claim_the_older_one_is_first() -> None:
    scheduler = Scheduler(RULES)
    scheduler.push(a_job(1, at=60.0))
    scheduler.push(a_job(2, at=0.0))
    assert [job.account_id for job in drained(scheduler, now=61.0)] == [someone(2), someone(1)]


def test_age_makes_up_for_a_small_lead_and_not_for_a_large_one() -> None:
    for cost, first in ((200, 1), (2000, 3)):
        scheduler = Scheduler(RULES)
        scheduler.push(a_job(1, cost=cost))
        scheduler.push(a_job(2, cost=100_000, at=1000.0))  # the lane does not rest
        assert popped(scheduler) is not None  # account 1 has had its share
        scheduler.push(a_job(1, at=0.0))
        scheduler.push(a_job(3, at=59.0))
        job = popped(scheduler, 59.0)
        assert job is not None
        assert job.account_id == someone(first)
