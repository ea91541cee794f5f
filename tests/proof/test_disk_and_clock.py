"""A disk that takes nothing more, and clocks that are wrong by a minute and a half."""

import resource

import pytest

from shared.plans import Speed
from tests.proof.farm import Farm
from tests.proof.quantiles import told

FULL_BYTES = 64  # a file grows no larger: what one writes then fails as on a full disk
FULL_FOR_S, BACK_WITHIN_S = 4.0, 15.0
AHEAD_S, JOBS, LATE_S = 90.0, 24, 3.0
STORY = """
select count(*) filter (where target = 'running') as runs,
    extract(epoch from min(at) filter (where target = 'running')
        - min(at) filter (where target = 'dispatched')) as waited
from transitions group by job_id
"""


@pytest.mark.parametrize("seconds", [FULL_FOR_S, pytest.param(30.0, marks=pytest.mark.slow)])
async def test_a_full_disk_ends_nothing(farm: Farm, seconds: float) -> None:
    """Neither pictures nor snapshots can be written, nor can anybody log."""
    await farm.dispatcher()
    for name in ("w1", "w2"):
        await farm.worker(name, step_ms=5)
    await farm.up("w1", "w2")
    account = await farm.account()
    fill(farm, FULL_BYTES)
    during = await farm.submit(account, 6)
    await farm.pause(seconds)
    assert "succeeded" not in await farm.states(during)
    fill(farm, resource.RLIM_INFINITY)
    after = await farm.submit(account, 2)
    assert set(await farm.ended(after, within_s=BACK_WITHIN_S)) == {"succeeded"}
    assert set(await farm.ended(during)) == {"succeeded"}
    assert farm.ended_by_itself() == {}
    (row,) = await farm.rows("select sum(crashes) as crashes from jobs")
    assert row.crashes == 0
    await farm.only_named_files()
    print(f"invariant 17: disk_full for {seconds:.0f} s: n = {len(during)} jobs, crashes 0")


def fill(farm: Farm, most: int) -> None:
    """For the workers and their children, while they run."""
    for name in ("w1", "w2"):
        for pid in (farm.started[name].pid, *(child.pid for child in farm.children(name))):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, hard))


@pytest.mark.parametrize("jobs", [JOBS, pytest.param(1000, marks=pytest.mark.slow)])
async def test_wrong_clocks_make_nothing_early_late_or_double(farm: Farm, jobs: int) -> None:
    """One worker is ahead and one behind; the database's clock alone says whose a job is."""
    await farm.dispatcher()
    await farm.worker("early", step_ms=2, clock_s=AHEAD_S)
    await farm.worker("late", step_ms=2, clock_s=-AHEAD_S)
    await farm.up("early", "late")
    account = await farm.account()
    ids = await farm.submit(account, jobs)
    await farm.ring(ids, Speed.FAST)
    assert set(await farm.ended(ids, within_s=150)) == {"succeeded"}
    rows = await farm.rows(STORY)
    waited = [float(row.waited) for row in rows]
    used = {row.worker for row in await farm.rows("select distinct worker from jobs")}
    print(
        f"invariant 17: clocks wrong by {AHEAD_S:.0f} s: n = {jobs}, claims after {told(waited)} s"
    )
    assert used == {"early", "late"}
    assert [row.runs for row in rows] == [1] * jobs
    assert min(waited) > 0
    assert max(waited) <= LATE_S
