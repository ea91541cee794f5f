"""What a worker owns: claimed, kept, lost and given back, with real rows and a scripted engine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from farm import tenure as tenure_module
from farm.child import Child
from farm.endings import Bench
from farm.engine.messages import Drain, Drop, GivenBack, Ready, Render, ToChild, ToParent
from farm.tenure import Tenure
from shared import jobstore, workers
from shared.config import Settings
from shared.connections import Database
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from shared.storage import LocalStore
from tests.farm.workshop import BOOK, PACKER, WORKER, ScriptedEngine, Workshop, rendered


class Silence:
    async def publish(self, *events: JobEvent) -> None:
        return


class Clock:
    """A worker's own, which runs only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Stage:
    clock: Clock
    workshop: Workshop
    tenure: Tenure
    engine: ScriptedEngine
    child: Child

    async def row(self, job: Job) -> Job:
        return await self.workshop.row(job.id)

    async def state(self, job: Job, state: JobState) -> Job:
        async with asyncio.timeout(10):
            while (row := await self.row(job)).state is not state:
                await asyncio.sleep(0.01)
        return row

    async def known(self) -> list[workers.WorkerRow]:
        async with self.workshop.database.read() as session:
            return await workers.live_workers(session, 60)


@pytest.fixture
async def stage(database: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[Stage]:
    engine = ScriptedEngine()
    bench = Bench(
        database=database,
        store=LocalStore(tmp_path / "assets", "http://images.example"),
        events=Silence(),  # type: ignore[arg-type]
        book=BOOK,
        settings=settings.worker,
        packer=PACKER,
    )

    async def start() -> ScriptedEngine:
        return engine

    child = Child(start)
    running = asyncio.create_task(child.run())
    await until(lambda: child.ready)
    clock = Clock()
    tenure = Tenure(bench, child, clock=clock)
    yield Stage(clock, await Workshop.open(database), tenure, engine, child)
    running.cancel()
    await asyncio.wait([running])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def draining(message: ToChild) -> Iterable[ToParent]:
    """Gives back what it was told to render, once it is told to drain."""
    if isinstance(message, Drain):
        yield GivenBack(draining.job_id, 1, 4)  # type: ignore[attr-defined]


# --- claiming ----------------------------------------------------------------------------------


async def test_a_ring_claims_and_hands_over_and_returns(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: job.attempt})
    assert (await stage.row(job)).state is JobState.RUNNING
    assert (await stage.engine.heard(Render)).job_id == str(job.id)


async def test_a_look_finds_what_no_ring_told(stage: Stage) -> None:
    jobs = [await stage.workshop.dispatched(), await stage.workshop.dispatched()]
    other = await stage.workshop.dispatched(worker="somebody-else")
    await stage.tenure.look()
    assert [(await stage.row(job)).state for job in jobs] == [JobState.RUNNING] * 2
    assert (await stage.row(other)).state is JobState.DISPATCHED


async def test_two_rings_and_a_look_draw_a_job_once(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    await asyncio.gather(
        stage.tenure.take({job.id: job.attempt}),
        stage.tenure.take({job.id: job.attempt}),
        stage.tenure.look(),
    )
    await asyncio.sleep(0.05)
    assert sum(isinstance(message, Render) for message in stage.engine.sent) == 1


@pytest.mark.parametrize("attempt", [0, 2])
async def test_a_stale_ring_is_somebody_elses(stage: Stage, attempt: int) -> None:
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: attempt})
    await stage.tenure.take({uuid4(): 1})
    assert (await stage.row(job)).state is JobState.DISPATCHED


async def test_many_rings_are_one_claim_and_what_was_lost_stops_no_other(stage: Stage) -> None:
    jobs = [await stage.workshop.dispatched() for _ in range(3)]
    gone, others = await stage.workshop.dispatched(), await stage.workshop.dispatched(worker="w2")
    async with stage.workshop.database.begin() as session:
        await jobstore.cancelled(session, gone.id, gone.account_id)
    await stage.tenure.take({job.id: 1 for job in (gone, *jobs, others)})
    assert [(await stage.row(job)).state for job in jobs] == [JobState.RUNNING] * 3
    assert (await stage.row(others)).state is JobState.DISPATCHED
    await until(lambda: len(stage.engine.sent) == 3)
    assert {one.job_id for one in stage.engine.sent if isinstance(one, Render)} == {
        str(job.id) for job in jobs
    }


async def test_nothing_is_claimed_without_a_child(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    stage.child.ready = None
    await stage.tenure.look()
    assert (await stage.row(job)).state is JobState.DISPATCHED


async def test_nothing_is_claimed_while_the_name_may_be_anothers(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    stage.tenure.sole = lambda: False
    await stage.tenure.look()
    await stage.tenure.beat()
    assert (await stage.row(job)).state is JobState.DISPATCHED
    assert await stage.known() == []


async def test_a_job_that_comes_back_before_its_loss_was_noticed(stage: Stage) -> None:
    first = await stage.workshop.dispatched()
    await stage.tenure.take({first.id: 1})
    await stage.engine.heard(Render)
    await expire(stage, first)
    await stage.workshop.rescue()
    await stage.workshop.dispatch(first.id)
    await stage.tenure.take({first.id: 2})
    await until(lambda: len(stage.engine.sent) == 3)
    (one, drop, two) = stage.engine.sent
    assert isinstance(one, Render)
    assert isinstance(two, Render)
    assert (one.attempt, two.attempt) == (1, 2)
    assert drop == Drop(str(first.id), forget=False)
    stage.engine.say(rendered(one), rendered(two))
    job = await stage.state(first, JobState.SUCCEEDED)
    assert job.attempt == 2


async def expire(stage: Stage, job: Job) -> None:
    async with stage.workshop.database.begin() as session:
        assert await jobstore.renew_leases(session, WORKER, {job.id: job.attempt}, -1)


# --- heartbeat ---------------------------------------------------------------------------------


async def test_a_beat_tells_who_is_there(stage: Stage) -> None:
    await stage.tenure.beat()
    (row,) = await stage.known()
    assert (row.name, row.device, row.slots) == (WORKER, "scripted", 4)
    assert (row.checkpoints, row.draining) == (("postcards",), False)


async def test_a_beat_tells_the_memory_and_that_of_a_dead_child_is_not_known(stage: Stage) -> None:
    stage.child.ready = Ready("cuda:0", "scripted", [], vram_bytes=24 * 2**30, free_bytes=2**30)
    await stage.tenure.beat()
    (row,) = await stage.known()
    assert (row.vram_bytes, row.free_bytes) == (24 * 2**30, 2**30)
    stage.child.ready = None
    await stage.tenure.beat()
    (row,) = await stage.known()
    assert (row.vram_bytes, row.free_bytes) == (0, 0)


async def test_nobody_is_told_of_a_worker_that_was_never_ready(stage: Stage) -> None:
    stage.child.ready = None
    await stage.tenure.beat()
    assert await stage.known() == []


async def test_a_worker_whose_child_died_is_sent_nothing(stage: Stage) -> None:
    await stage.tenure.beat()
    stage.child.ready = None
    await stage.tenure.beat()
    (row,) = await stage.known()
    assert row.draining


async def test_a_beat_keeps_the_lease(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    await expire(stage, job)
    await stage.tenure.beat()
    assert await stage.workshop.rescue() == []


async def test_a_beat_does_not_renew_what_was_surrendered(stage: Stage) -> None:
    """The engine failed; until the walk is over, the job is still in hand but no longer kept."""
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    await expire(stage, job)
    (running,) = stage.tenure._running.values()
    running.talk.surrendered = True
    await stage.tenure.beat()
    assert [row.id for row in await stage.workshop.rescue()] == [job.id]


async def test_a_beat_drops_what_is_lost(stage: Stage) -> None:
    kept, lost = await stage.workshop.dispatched(), await stage.workshop.dispatched()
    await stage.tenure.look()
    await until(lambda: len(stage.engine.sent) == 2)
    await expire(stage, lost)
    await stage.workshop.rescue()
    await stage.tenure.beat()
    assert await stage.engine.heard(Drop) == Drop(str(lost.id), forget=False)
    assert (await stage.row(kept)).state is JobState.RUNNING


async def test_a_cancel_is_heard_before_the_next_beat(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    await stage.engine.heard(Render)
    async with stage.workshop.database.begin() as session:
        assert await jobstore.cancelled(session, job.id, job.account_id)
    await stage.tenure.heed(JobEvent(job.id, EventKind.STATE, state="cancelled"))
    assert await stage.engine.heard(Drop) == Drop(str(job.id), forget=True)


async def test_an_event_alone_cancels_nothing(stage: Stage) -> None:
    """Anyone who reaches Redis can publish: only the row decides."""
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    order = await stage.engine.heard(Render)
    await stage.tenure.heed(JobEvent(job.id, EventKind.STATE, state="cancelled"))
    stage.engine.say(rendered(order))
    await stage.state(job, JobState.SUCCEEDED)


# --- leaving -----------------------------------------------------------------------------------


async def test_leaving_gives_everything_back_without_counting(stage: Stage) -> None:
    running = await stage.workshop.dispatched()
    await stage.tenure.beat()
    await stage.tenure.take({running.id: 1})
    await stage.engine.heard(Render)
    unclaimed = await stage.workshop.dispatched()
    draining.job_id = str(running.id)  # type: ignore[attr-defined]
    stage.engine.script = draining
    await stage.tenure.leave()
    for job in (running, unclaimed):
        row = await stage.row(job)
        assert (row.state, row.crashes, row.worker) == (JobState.WAITING, 0, None)
    assert await stage.known() == []
    assert not [m for m in stage.engine.sent if isinstance(m, Drop) and m.forget]


# --- the lease by our own clock -----------------------------------------------------------------


class GoneDatabase:
    """Postgres is away while `gone`."""

    def __init__(self, inner: Database) -> None:
        self.inner, self.gone = inner, False

    def begin(self) -> Any:
        return self._unless_gone(self.inner.begin)

    def read(self) -> Any:
        return self._unless_gone(self.inner.read)

    def single(self) -> Any:
        return self._unless_gone(self.inner.single)

    @asynccontextmanager
    async def _unless_gone(self, opened: Any) -> AsyncIterator[Any]:
        if self.gone:
            raise Fault("database_down", "away", retryable=True)
        async with opened() as session:
            yield session


def cut(stage: Stage) -> GoneDatabase:
    database = GoneDatabase(stage.workshop.database)
    stage.tenure.bench = replace(stage.tenure.bench, database=database)  # type: ignore[arg-type]
    return database


async def run_out(stage: Stage) -> tuple[GoneDatabase, Job]:
    """Cut off from Postgres for longer than the lease."""
    database = cut(stage)
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    await stage.engine.heard(Render)
    database.gone = True
    stage.clock.now += stage.tenure.bench.settings.lease_s - 0.1
    with pytest.raises(Fault):
        await stage.tenure.beat()
    await stage.tenure.expire()
    await asyncio.sleep(0.05)
    assert not [m for m in stage.engine.sent if isinstance(m, Drop)], "it may still be ours"
    stage.clock.now += 0.2
    await stage.tenure.expire()
    return database, job


async def test_who_cannot_renew_its_lease_stops_when_it_has_run_out(stage: Stage) -> None:
    _, job = await run_out(stage)
    assert await stage.engine.heard(Drop) == Drop(str(job.id), forget=False)


async def test_an_outage_that_outlasts_the_lease_is_no_crash(stage: Stage) -> None:
    database, job = await run_out(stage)
    await stage.engine.heard(Drop)
    database.gone = False
    row = await stage.state(job, JobState.WAITING)
    assert (row.crashes, row.attempt) == (0, 1)


async def test_who_was_rescued_meanwhile_touches_nothing(stage: Stage) -> None:
    database, job = await run_out(stage)
    await stage.engine.heard(Drop)
    async with stage.workshop.database.begin() as session:
        await jobstore.renew_leases(session, WORKER, {job.id: 1}, -1)
    await stage.workshop.rescue()
    await stage.workshop.claim(job.id, worker="somebody-else")
    database.gone = False
    await until(lambda: not stage.tenure._running)
    row = await stage.row(job)
    assert (row.state, row.worker, row.attempt) == (JobState.RUNNING, "somebody-else", 2)


async def test_a_heartbeat_keeps_it_by_our_own_clock_too(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    for _ in range(5):
        stage.clock.now += stage.tenure.bench.settings.lease_s * 0.9
        await stage.tenure.beat()
        await stage.tenure.expire()
    await asyncio.sleep(0.05)
    assert not [m for m in stage.engine.sent if isinstance(m, Drop)]


# --- a store that is away ------------------------------------------------------------------------


class AwayStore:
    """It answers nothing until `back`."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.back = inner, False

    async def ping(self) -> None:
        if not self.back:
            raise Fault("storage_down", "away", retryable=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_while_the_store_is_away_nothing_is_claimed_and_the_dispatcher_knows(
    stage: Stage,
) -> None:
    store = AwayStore(stage.tenure.bench.store)
    stage.tenure.bench = replace(stage.tenure.bench, store=store)
    await stage.tenure.beat()
    stage.tenure.shut()
    await stage.tenure.beat()
    assert [row.draining for row in await stage.known()] == [True]
    job = await stage.workshop.dispatched()
    await stage.tenure.look()
    assert (await stage.row(job)).state is JobState.DISPATCHED
    with pytest.raises(Fault):
        await stage.tenure.reopen()
    store.back = True
    await stage.tenure.reopen()
    await stage.tenure.look()
    await stage.tenure.beat()
    assert (await stage.row(job)).state is JobState.RUNNING
    assert [row.draining for row in await stage.known()] == [False]


async def test_who_left_does_not_come_back_with_a_late_beat(stage: Stage) -> None:
    await stage.tenure.beat()
    await stage.tenure.leave()
    await stage.tenure.beat()
    assert await stage.known() == []


async def test_who_leaves_claims_nothing_more(stage: Stage) -> None:
    await stage.tenure.leave()
    job = await stage.workshop.dispatched()
    await stage.tenure.take({job.id: 1})
    assert (await stage.row(job)).state is JobState.DISPATCHED


class SlowStore:
    """It never answers a put."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked = asyncio.Event()

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        self.asked.set()
        await asyncio.sleep(3600)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_what_cannot_be_delivered_in_time_is_given_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenure_module, "LEAVE_S", 0.1)
    slow = SlowStore(stage.tenure.bench.store)
    stage.tenure.bench = replace(stage.tenure.bench, store=slow)
    job = await stage.workshop.dispatched()
    stage.engine.script = lambda m: [rendered(m)] if isinstance(m, Render) else []
    await stage.tenure.take({job.id: 1})
    await slow.asked.wait()
    async with asyncio.timeout(10):
        await stage.tenure.leave()
    row = await stage.row(job)
    assert (row.state, row.crashes) == (JobState.WAITING, 0)


async def test_what_is_being_delivered_may_finish(stage: Stage) -> None:
    job = await stage.workshop.dispatched()
    stage.engine.script = lambda m: [rendered(m)] if isinstance(m, Render) else []
    await stage.tenure.take({job.id: 1})
    await stage.tenure.leave()
    assert (await stage.row(job)).state is JobState.SUCCEEDED
