"""What the leading dispatcher knows of the farm, and its one step: learn, pick, dispatch, tell."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from farm.fleet import Fleet, Pace, read_fleet
from farm.forecast import foresee, halted
from farm.herald import Herald
from farm.scheduler import Pick, Rules, Running, Scheduler, Waiting
from farm.usage import HALF_LIFE_S
from shared import jobstore, openjobs
from shared.bell import Bell
from shared.catalog import Catalog
from shared.config import FarmSettings
from shared.connections import Database, Session
from shared.cost import vram_bytes
from shared.jobs import Job, JobState
from shared.moderation import pauses
from shared.openjobs import Brief
from shared.plans import ALONE_FROM, PlanBook

log = logging.getLogger(__name__)

CLAIM_WITHIN_S = 2.0  # then the worker is rung again
TELL_EVERY_S = 1.0
TELL_AT_LEAST_EVERY_S = 5.0  # half as long as the board stays
# A scan or a telling of a huge queue takes at most this part of the time.
LEAST_REST = 10
# Relax that was used longer ago weighs nothing any more (see farm.usage).
REMEMBERED = timedelta(seconds=4 * HALF_LIFE_S)


class Leader:
    """`rung` and `rescan` may be called at any time; `step` learns the truth from Postgres."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        herald: Herald,
        *,
        book: PlanBook,
        catalog: Catalog,
        farm: FarmSettings,
        ringing_again: Callable[[int], None] = lambda _: None,
    ) -> None:
        rules = Rules(book.lane_weights, relax_floor=book.relax_floor, reserved=book.reserved)
        self.scheduler = Scheduler(rules)
        self._database, self._bell, self._herald = database, bell, herald
        self._book, self._catalog, self._farm = book, catalog, farm
        self._ringing_again = ringing_again  # told at each scan how many were not heard
        self._fleet = Fleet()
        self._pace = Pace()
        self._halted = False
        self._wake = asyncio.Event()
        self._rung: set[UUID] = set()
        self._unclaimed: list[Brief] = []
        self._scan_at = self._tell_at = 0.0
        self._ahead = 0.0  # the database's clock minus our monotonic one
        self._aside: set[asyncio.Task[object]] = set()
        self._remembers = False  # what was used before we led
        self._due: dict[UUID, float] = {}  # when running jobs say that they will end

    def rung(self, job_id: UUID) -> None:
        """Something happened to this job."""
        self._rung.add(job_id)
        self._wake.set()

    def knows(self, job_id: UUID) -> bool:
        """That it waits or was sent."""
        return job_id in self.scheduler.waiting or job_id in self.scheduler.running

    def drawing(self, job_id: UUID, left_s: float) -> None:
        """A running job says how much longer it takes."""
        if job_id in self.scheduler.running:
            self._due[job_id] = self._now + left_s

    def rescan(self) -> None:
        """Something may have happened to any job."""
        self._scan_at = 0.0
        self._herald.forget()
        self._wake.set()

    async def awake(self) -> None:
        """Returns when somebody rang, or when the next scan is due."""
        try:
            async with asyncio.timeout(max(self._scan_at - time.monotonic(), 0)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def step(self) -> None:
        try:
            async with self._database.begin() as session:
                await self._learn(session)
                sent = await self._dispatch(session, self._pick())
            self._beside(self._herald.sent(sent))
            self._ring_again()
            self._tell()
        except BaseException:
            # What was committed is known to Postgres alone: ask it for everything.
            self.rescan()
            raise

    async def close(self) -> None:
        await asyncio.gather(*self._aside, return_exceptions=True)
        await self._herald.left()

    # --- learn -------------------------------------------------------------------------------

    async def _learn(self, session: Session) -> None:
        """The jobs that rang, or all of them when a scan is due, and the workers that are alive."""
        if time.monotonic() >= self._scan_at:
            await self._scan(session)
        else:
            ids, self._rung = self._rung, set()
            for brief in await openjobs.look(session, ids) if ids else ():
                self._apply(brief)
        self._fleet = await read_fleet(session, silent_s=self._farm.worker_silent_s)
        self._halted = await pauses.halted(session)

    async def _scan(self, session: Session) -> None:
        began = time.monotonic()
        self._rung.clear()
        now = await openjobs.clock(session)
        self._ahead = now - time.monotonic()
        await self._remember(session)
        briefs = await openjobs.look(session)
        for brief in briefs:
            self._apply(brief)
        # What is not open any more ended while nobody told: how, and what it took, its row says.
        gone = self.scheduler.known() - {brief.id for brief in briefs}
        for brief in await openjobs.look(session, gone) if gone else ():
            self._apply(brief)
        self._unclaimed = [brief for brief in briefs if _unheard(brief, now=now)]
        self._ringing_again(len(self._unclaimed))
        self._scan_at = _rested(began, self._farm.scan_every_s)

    async def _remember(self, session: Session) -> None:
        """A new leader knows nothing of virtual times, so everybody starts level; but who used a lot of
        relax is no secret."""
        if not self._remembers:
            for account_id, used_ms, at in await openjobs.relax_use(session, within=REMEMBERED):
                self.scheduler.relax_use.add(account_id, used_ms, at)
            self._remembers = True

    def _apply(self, brief: Brief) -> None:
        if brief.state is JobState.WAITING:
            self._end(brief)
            self.scheduler.push(self._waiting(brief), self._now)
        elif brief.state in (JobState.DISPATCHED, JobState.RUNNING):
            self.scheduler.adopt(brief.id, self._running(brief))
        else:
            self._observe(brief)
            self.scheduler.cancel(brief.id)
            self._end(brief)

    def _waiting(self, brief: Brief) -> Waiting:
        plan = self._book.plan(brief.plan)
        return Waiting(
            job_id=brief.id,
            account_id=brief.account_id,
            lane=brief.speed,
            plan_weight=plan.weight,
            max_running=plan.max_running,
            max_running_relax=plan.max_running_relax,
            cost_ms=brief.estimate_ms,
            submitted_at=brief.submitted_at,
            checkpoint=brief.checkpoint,
            vram_bytes=self._vram_bytes(brief),
            alone=brief.crashes >= ALONE_FROM,
        )

    def _vram_bytes(self, brief: Brief) -> int:
        """As it was counted when the job was accepted."""
        if brief.steps == 0:
            return 0
        known = self._catalog.checkpoints.get
        return vram_bytes(known(brief.checkpoint), refiner=known(brief.refiner or ""))

    def _running(self, brief: Brief) -> Running:
        since = brief.started_at or brief.dispatched_at or self._now
        return Running(
            brief.account_id, brief.estimate_ms, since, speed=brief.speed, worker=brief.worker or ""
        )

    def _end(self, brief: Brief) -> None:
        """What it really took: as measured, else no more than the time that it had."""
        used_ms = brief.gpu_ms
        running = self.scheduler.running.get(brief.id)
        if used_ms is None and running is not None:
            used_ms = self._at_most(running)
        self.scheduler.ended(brief.id, self._now, used_ms=used_ms)

    def _at_most(self, running: Running) -> int:
        elapsed_s = max(self._now - running.since, 0.0)
        share = elapsed_s / (self._pace.value * self._fleet.stretch)
        return min(running.cost_ms, round(share * 1000))

    def _observe(self, brief: Brief) -> None:
        ran = brief.id in self.scheduler.running and brief.state is JobState.SUCCEEDED
        if ran and brief.started_at and brief.finished_at:
            self._pace.observe(
                took_s=brief.finished_at - brief.started_at,
                expected_s=brief.estimate_ms / 1000 * self._fleet.stretch,
            )

    # --- pick and dispatch -------------------------------------------------------------------

    def _pick(self) -> list[Pick]:
        """As many jobs as find room; none while a filter cannot answer: what waits stays in line."""
        if self._halted:
            return []
        picks: list[Pick] = []
        while (pick := self.scheduler.pop(self._fleet.workers, self._now)) is not None:
            self._fleet.take(pick)
            picks.append(pick)
        return picks

    async def _dispatch(self, session: Session, picks: list[Pick]) -> list[Job]:
        wanted = [(pick.waiting.job_id, pick.worker) for pick in picks]
        sent = await jobstore.dispatched_all(session, wanted)
        # A cancel was first, or a leader that has not noticed its loss.
        for job_id in {job_id for job_id, _ in wanted} - {job.id for job in sent}:
            self.rung(job_id)
        return sent

    # --- tell --------------------------------------------------------------------------------

    def _ring_again(self) -> None:
        unclaimed, self._unclaimed = self._unclaimed, []
        for brief in unclaimed:
            assert brief.worker is not None
            self._beside([self._bell.ring_worker(brief.worker, brief.id, brief.attempt)])

    def _tell(self) -> None:
        """Place, times and reason to those for whom they changed, at most once a second."""
        began = time.monotonic()
        if began < self._tell_at:
            return
        running = self.scheduler.running
        self._due = {job_id: due for job_id, due in self._due.items() if job_id in running}
        foresight = foresee(
            self.scheduler,
            self._fleet.workers,
            now=self._now,
            pace=self._pace.value,
            spread=self._pace.spread,
            due=self._due,
        )
        self._beside(self._herald.news(halted(foresight) if self._halted else foresight))
        self._tell_at = min(_rested(began, TELL_EVERY_S), time.monotonic() + TELL_AT_LEAST_EVERY_S)

    @property
    def _now(self) -> float:
        return time.monotonic() + self._ahead

    def _beside(self, works: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Redis may hang for its whole time limit; the next step must not wait for that."""
        for work in works:
            task = asyncio.get_running_loop().create_task(work)
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)


def _unheard(brief: Brief, *, now: float) -> bool:
    sent = brief.state is JobState.DISPATCHED and brief.dispatched_at is not None
    return sent and now - (brief.dispatched_at or now) > CLAIM_WITHIN_S


def _rested(began: float, every_s: float) -> float:
    """When to do it again: what takes long is done more rarely."""
    now = time.monotonic()
    return max(began + every_s, now + LEAST_REST * (now - began))
