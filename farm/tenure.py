"""The jobs this worker owns: claimed in Postgres, kept by a lease, lost, finished or given back."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from farm import endings
from farm.child import Child, LeaseRunOut, OwnershipLost, Talk
from farm.endings import Bench
from farm.render import Walk
from shared import jobstore, workers
from shared.connections import Session
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState

# A deploy must be over in 25 s: the engine saves in a few, what is being delivered gets the rest. Each
# word to Postgres may take ASK_S, and two seconds more if it is frozen.
LEAVE_S, CANCEL_S, ASK_S = 9.0, 2.0, 2.5


@dataclass(slots=True)
class Running:
    """`ours_until` is on our own clock, from before Postgres was asked: never later than its lease."""

    job: Job
    talk: Talk
    task: asyncio.Task[None]
    ours_until: float


class Tenure:
    """`sole` is False while this worker's name, or its GPU, may be another's."""

    def __init__(
        self,
        bench: Bench,
        child: Child,
        *,
        sole: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bench = bench
        self._child, self._clock = child, clock
        self._running: dict[UUID, Running] = {}
        self._leaving = False
        self._known = False  # whether the dispatcher was ever told of us
        self._gone = False
        self.sole = sole
        self._store_away = False  # what is drawn could not be kept: it is drawn elsewhere

    async def take(self, attempts: Mapping[UUID, int]) -> None:
        """Claim, hand over, return at once. A lost race is somebody else's job."""
        if self._may_not_claim() or not attempts:
            return
        ours_until = self._clock() + self.bench.settings.lease_s
        async with self.bench.database.single() as session:
            jobs = await jobstore.running_all(
                session,
                attempts,
                worker=self.bench.settings.name,
                lease_s=self.bench.settings.lease_s,
            )
        if self._leaving:  # the claim and the signal met
            await asyncio.gather(*(endings.given_back(self.bench, job) for job in jobs))
        else:
            await asyncio.gather(*(self._start(job, ours_until) for job in jobs))
            await self.bench.events.publish(*map(_running_event, jobs))

    def _may_not_claim(self) -> bool:
        away = self._store_away or self._child.ready is None
        return self._leaving or not self.sole() or away

    async def look(self) -> None:
        """What the dispatcher gave us in Postgres, whether or not it rang."""
        async with self.bench.database.single() as session:
            jobs = await jobstore.dispatched_to(session, self.bench.settings.name)
        await self.take({job.id: job.attempt for job in jobs})

    async def beat(self) -> None:
        """We are alive, and these jobs are still ours; what is no longer ours stops now."""
        if self._gone or not (self._known or self._child.ready):
            return
        kept = (one for one in self._running.values() if not one.talk.surrendered)
        mine = {one.job.id: one.job.attempt for one in kept}
        ours_until = self._clock() + self.bench.settings.lease_s
        async with self.bench.database.begin() as session:
            if self.sole():
                await self._report(session)
            owned = await jobstore.renew_leases(
                session, self.bench.settings.name, mine, self.bench.settings.lease_s
            )
        self._known = True
        for job_id, attempt in mine.items():
            if job_id not in owned:
                self._interrupt(job_id, attempt, OwnershipLost())
            elif (running := self._attempt(job_id, attempt)) is not None:
                running.ours_until = ours_until

    async def expire(self) -> None:
        """What no answer of Postgres has kept ours stops at its next step, as if it were lost."""
        now = self._clock()
        for one in list(self._running.values()):
            if one.ours_until <= now and not one.talk.surrendered:
                one.talk.interrupt(LeaseRunOut())

    def shut(self) -> None:
        """The store has been away for longer than a job can wait with its slot."""
        self._store_away = True
        self._child.touch()

    async def reopen(self) -> None:
        if self._store_away:
            await self.bench.store.ping()
            self._store_away = False
            self._child.touch()

    async def heed(self, event: JobEvent) -> None:
        """A cancel is heard sooner than the next heartbeat would find it."""
        running = self._running.get(event.job_id)
        if running is None or event.kind is not EventKind.STATE or event.state != "cancelled":
            return
        if not await endings.owned(self.bench, running.job):
            self._interrupt(running.job.id, running.job.attempt, OwnershipLost())

    async def leave(self) -> None:
        """Stop claiming, save, give back. Nothing of it counts as a crash."""
        self._leaving = True
        await _briefly(self.beat())
        await self._child.drain()
        await self._finish(LEAVE_S)
        await _briefly(self._give_back_the_rest())

    async def _start(self, job: Job, ours_until: float) -> None:
        await self._end_earlier_attempt(job.id)
        talk = self._child.open(str(job.id), job.attempt)
        walk = Walk(
            job,
            talk,
            self.bench,
            leaving=lambda: self._leaving or self._child.unfit,
            outage=self.shut,
        )
        task = asyncio.create_task(walk.run(), name=f"job {job.id}")
        self._running[job.id] = running = Running(job, talk, task, ours_until)
        task.add_done_callback(lambda _: self._forget(running))

    async def _end_earlier_attempt(self, job_id: UUID) -> None:
        """It was rescued from us and has come back before we noticed."""
        earlier = self._running.get(job_id)
        if earlier is not None:
            earlier.talk.interrupt(OwnershipLost())
            await asyncio.wait([earlier.task])

    def _forget(self, running: Running) -> None:
        if self._running.get(running.job.id) is running:
            del self._running[running.job.id]

    def _attempt(self, job_id: UUID, attempt: int) -> Running | None:
        running = self._running.get(job_id)
        return running if running is not None and running.job.attempt == attempt else None

    def _interrupt(self, job_id: UUID, attempt: int, why: Exception) -> None:
        running = self._attempt(job_id, attempt)
        if running is not None:
            running.talk.interrupt(why)

    async def _report(self, session: Session) -> None:
        """A worker whose child or store is away stays known, but is sent nothing."""
        ready, settings = self._child.ready, self.bench.settings
        await workers.heartbeat(
            session,
            settings.name,
            device=ready.device_name if ready else settings.device,
            slots=settings.slots,
            checkpoints=ready.checkpoints if ready else [],
            draining=self._leaving or self._store_away or ready is None,
            vram_bytes=ready.vram_bytes if ready else 0,
            free_bytes=ready.free_bytes if ready else 0,
        )

    async def _finish(self, seconds: float) -> None:
        """The engine gives back, what is drawn is delivered; what is late is stopped and given back."""
        running = list(self._running.values())
        await _settle([one.task for one in running], seconds)
        late = [one for one in running if not one.task.done()]
        for one in late:
            one.task.cancel()
        await _settle([one.task for one in late], CANCEL_S)
        back = [asyncio.create_task(endings.given_back(self.bench, one.job)) for one in late]
        await _settle(back, CANCEL_S)

    async def _give_back_the_rest(self) -> None:
        """What was sent here but not claimed, then our name: the dispatcher sends nothing more."""
        settings, self._gone = self.bench.settings, True
        async with self.bench.database.begin() as session:
            await workers.forget_worker(session, settings.name)
            for job in await jobstore.dispatched_to(session, settings.name):
                await jobstore.given_back(
                    session, job.id, attempt=job.attempt, worker=settings.name
                )


async def _briefly(word: Coroutine[Any, Any, None]) -> None:
    """To a Postgres that may be away or frozen: who leaves does not wait for it."""
    with contextlib.suppress(Fault, TimeoutError):
        async with asyncio.timeout(ASK_S):
            await word


def _running_event(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=JobState.RUNNING.value)


async def _settle(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
