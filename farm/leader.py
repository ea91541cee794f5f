"""What the leading dispatcher knows of the farm, and its one step: learn, pick, dispatch, tell."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from farm.fleet import Fleet, Pace, read_fleet
from farm.forecast import Outlook, forecast
from farm.scheduler import Running, Scheduler, Waiting
from shared import jobstore, openjobs
from shared.bell import Bell
from shared.config import FarmSettings
from shared.connections import Database, Session
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.openjobs import Brief
from shared.plans import PlanBook

log = logging.getLogger(__name__)

CLAIM_WITHIN_S = 2.0  # then the worker is rung again
TELL_EVERY_S = 1.0
# A scan or a telling of a huge queue takes at most this part of the time.
LEAST_REST = 10


@dataclass(frozen=True, slots=True)
class Pick:
    waiting: Waiting
    worker: str


class Leader:
    """`rung` and `rescan` may be called at any time; `step` learns the truth from Postgres."""

    def __init__(
        self, database: Database, bell: Bell, events: Events, *, book: PlanBook, farm: FarmSettings
    ) -> None:
        self.scheduler = Scheduler(book.lane_weights)
        self._database, self._bell, self._events = database, bell, events
        self._book, self._farm = book, farm
        self._fleet = Fleet()
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._rung: set[UUID] = set()
        self._unclaimed: list[Brief] = []
        self._told: dict[UUID, Outlook] = {}
        self._scan_at = self._tell_at = 0.0
        self._ahead = 0.0  # the database's clock minus our monotonic one
        self._aside: set[asyncio.Task[object]] = set()

    def rung(self, job_id: UUID) -> None:
        """Something happened to this job."""
        self._rung.add(job_id)
        self._wake.set()

    def rescan(self) -> None:
        """Something may have happened to any job."""
        self._scan_at = 0.0
        self._told.clear()
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
            self._ring(sent)
            self._ring_again()
            self._tell()
        except BaseException:
            # What was committed is known to Postgres alone: ask it for everything.
            self.rescan()
            raise

    async def close(self) -> None:
        await asyncio.gather(*self._aside, return_exceptions=True)

    async def _learn(self, session: Session) -> None:
        """The jobs that rang, or all of them when a scan is due, and the workers that are alive."""
        if time.monotonic() >= self._scan_at:
            await self._scan(session)
        else:
            ids, self._rung = self._rung, set()
            for brief in await openjobs.look(session, ids) if ids else ():
                self._apply(brief)
        self._fleet = await read_fleet(session, silent_s=self._farm.worker_silent_s)

    async def _scan(self, session: Session) -> None:
        began = time.monotonic()
        self._rung.clear()
        now = await openjobs.clock(session)
        self._ahead = now - time.monotonic()
        briefs = await openjobs.look(session)
        for brief in briefs:
            self._apply(brief)
        self._forget_others({brief.id for brief in briefs})
        self._unclaimed = [brief for brief in briefs if _unheard(brief, now=now)]
        self._scan_at = _rested(began, self._farm.scan_every_s)

    def _apply(self, brief: Brief) -> None:
        if brief.state is JobState.WAITING:
            self.scheduler.ended(brief.id, self._now)
            self.scheduler.push(self._waiting(brief))
        elif brief.state in (JobState.DISPATCHED, JobState.RUNNING):
            since = brief.started_at or brief.dispatched_at or self._now
            self.scheduler.adopt(brief.id, Running(brief.account_id, brief.estimate_ms, since))
        else:
            self._observe(brief)
            self._forget(brief.id)

    def _waiting(self, brief: Brief) -> Waiting:
        plan = self._book.plan(brief.plan)
        return Waiting(
            job_id=brief.id,
            account_id=brief.account_id,
            lane=brief.speed,
            plan_weight=plan.weight,
            max_running=plan.max_running,
            cost_ms=brief.estimate_ms,
            submitted_at=brief.submitted_at,
            checkpoint=brief.checkpoint,
        )

    def _observe(self, brief: Brief) -> None:
        ran = brief.id in self.scheduler.running and brief.state is JobState.SUCCEEDED
        if ran and brief.started_at and brief.finished_at:
            self._pace.observe(
                took_s=brief.finished_at - brief.started_at,
                expected_s=brief.estimate_ms / 1000 * self._fleet.stretch,
            )

    def _forget(self, job_id: UUID) -> None:
        self.scheduler.cancel(job_id)
        self.scheduler.ended(job_id, self._now)

    def _forget_others(self, known: set[UUID]) -> None:
        gone = (self.scheduler.waiting.keys() | self.scheduler.running.keys()) - known
        for job_id in gone:
            self._forget(job_id)

    def _pick(self) -> list[Pick]:
        """As many jobs as there are free slots; a warm worker takes a job before a cold one."""
        picks: list[Pick] = []
        while (asking := self._fleet.roomiest()) is not None:
            waiting = self.scheduler.pop(asking, self._now)
            if waiting is None:
                break
            worker = self._fleet.choose(waiting.checkpoint) or asking
            self._fleet.take(worker.name)
            picks.append(Pick(waiting, worker.name))
        return picks

    async def _dispatch(self, session: Session, picks: list[Pick]) -> list[Job]:
        sent: list[Job] = []
        for pick in picks:
            job = await jobstore.dispatched(session, pick.waiting.job_id, worker=pick.worker)
            if job is None:  # a cancel was first, or a leader that has not noticed its loss
                self.rung(pick.waiting.job_id)
            else:
                sent.append(job)
        return sent

    def _ring(self, sent: list[Job]) -> None:
        for job in sent:
            assert job.worker is not None
            self._beside(self._bell.ring_worker(job.worker, job.id, job.attempt))
        if sent:
            self._beside(self._events.publish(*map(_sent_event, sent)))

    def _ring_again(self) -> None:
        unclaimed, self._unclaimed = self._unclaimed, []
        for brief in unclaimed:
            assert brief.worker is not None
            self._beside(self._bell.ring_worker(brief.worker, brief.id, brief.attempt))

    def _tell(self) -> None:
        """Place, ETA and reason to those for whom they changed, at most once a second."""
        began = time.monotonic()
        if began < self._tell_at:
            return
        workers, pace = self._fleet.workers, self._pace.value
        outlooks = forecast(self.scheduler, workers, now=self._now, pace=pace)
        news = [outlook for outlook in outlooks if _is_news(outlook, self._told)]
        self._told = {
            outlook.job_id: self._told.get(outlook.job_id, outlook) for outlook in outlooks
        } | {outlook.job_id: outlook for outlook in news}
        self._tell_at = _rested(began, TELL_EVERY_S)
        if news:
            self._beside(self._events.publish(*map(_waiting_event, news)))

    @property
    def _now(self) -> float:
        return time.monotonic() + self._ahead

    def _beside(self, work: Coroutine[Any, Any, object]) -> None:
        """Redis may hang for its whole time limit; the next step must not wait for that."""
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


def _is_news(outlook: Outlook, told: dict[UUID, Outlook]) -> bool:
    """A second more or less is none: the message would flicker."""
    before = told.get(outlook.job_id)
    if before is None or (before.position, before.reason) != (outlook.position, outlook.reason):
        return True
    if before.eta_s is None or outlook.eta_s is None:
        return before.eta_s is not outlook.eta_s
    return abs(before.eta_s - outlook.eta_s) > max(2.0, 0.2 * before.eta_s)


def _sent_event(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=job.state.value)


def _waiting_event(outlook: Outlook) -> JobEvent:
    return JobEvent(
        outlook.job_id,
        EventKind.WAITING,
        state=JobState.WAITING.value,
        eta_s=outlook.eta_s,
        position=outlook.position,
        reason=outlook.reason,
    )
