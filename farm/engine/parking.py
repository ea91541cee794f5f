"""What becomes of jobs that wait for rows: their state goes where there is room, and they are told.

A parked trajectory keeps its state in memory: on the device, on the host when the device is short of
it. When the host is short too, a job that has been parked for a while goes to its snapshot file with
all that it holds, and is prepared from there again when there is room, or its turn.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from farm.engine.batch import Runnable
from farm.engine.entrance import Entrance
from farm.engine.job import EngineJob
from farm.engine.memory.headroom import Headroom
from farm.engine.messages import GivenBack, Paused, ToParent
from farm.engine.order import Order
from farm.engine.sidework import Sidework
from farm.engine.snapshots import Snapshot, SnapshotWriter

log = logging.getLogger(__name__)

TOLD_AFTER_S = 1.0  # without a step: people are not told of every turn that a job lets pass
SHELVED_AFTER_S = 10.0  # parked for less than that, a file costs more than it spares


class Loop(Protocol):
    """The engine, as far as parking needs it."""

    running: dict[str, EngineJob]
    order: Order
    headroom: Headroom
    send: Callable[[ToParent], None]
    clock: Callable[[], float]

    def runs(self, job: EngineJob) -> bool: ...


@dataclass(frozen=True, slots=True)
class Shelved:
    """`job` holds no tensors now; they are in its snapshot of `step`."""

    job: EngineJob
    step: int


class Parking:
    def __init__(
        self, loop: Loop, snapshots: SnapshotWriter, entrance: Entrance, *, wake: Callable[[], None]
    ) -> None:
        self.loop = loop
        self.snapshots = snapshots
        self.entrance = entrance
        self.work = Sidework("shelve", wake=wake)
        self.shelved: dict[str, Shelved] = {}
        self._storing: set[str] = set()
        self._recalled: dict[str, EngineJob] = {}

    @property
    def pending(self) -> bool:
        return bool(self.work.pending)

    @property
    def idle(self) -> bool:
        """Nobody is on a shelf who could be called back now."""
        return not self.shelved or bool(self._recalled)

    def collect(self) -> None:
        self.work.collect()

    def look(self) -> None:
        """After each review of who runs."""
        parked = self.loop.order.parked
        whole = self._wholly(parked)
        self._tell(whole)
        if parked and self.loop.headroom.tight:
            self.rest()
        self._shelve(whole)
        self._recall()

    def rest(self) -> None:
        """Whatever is parked leaves the device."""
        for _, one in self.loop.order.parked:
            one.rest()

    # --- what people are told ----------------------------------------------------------------

    def _wholly(self, parked: Collection[Runnable]) -> list[EngineJob]:
        """Jobs of which nothing runs, first come first."""
        share = self.loop.order.sharing.values()
        moving = {job.id for own in share for job, _ in own}
        jobs = {job.id: job for job, _ in parked if job.id not in moving}
        return sorted(jobs.values(), key=lambda job: job.arrived)

    def _tell(self, parked: Collection[EngineJob]) -> None:
        now, order = self.loop.clock(), self.loop.order
        for job in parked:
            if job.paused or now - job.ran_at < TOLD_AFTER_S:
                continue
            job.paused = True
            faster = order.best < job.render.rank
            self.loop.send(Paused(job.id, job.step, job.spec.steps, faster=faster))

    # --- to the shelf and back ---------------------------------------------------------------

    def _shelve(self, parked: Collection[EngineJob]) -> None:
        now, next_up = self.loop.clock(), {job.id for job, _ in self.loop.order.floored}
        ripe = [
            job
            for job in parked
            if now - job.ran_at >= SHELVED_AFTER_S and job.storable
            if job.id not in next_up and job.id not in self._storing
        ]
        if ripe and self.loop.headroom.host_tight:
            self._store(ripe[-1])

    def _store(self, job: EngineJob) -> None:
        self._storing.add(job.id)
        snapshot, done = job.snapshot(), job.done
        self.work.ask(
            lambda: self.snapshots.store(snapshot),
            then=lambda _: self._stored(job, snapshot, done),
            fails=lambda problem: self._not_stored(job, problem),
            rank=job.render.rank,
        )

    def _stored(self, job: EngineJob, snapshot: Snapshot, done: int) -> None:
        self._storing.discard(job.id)
        if not self.loop.runs(job) or job.done != done or not job.storable:
            return  # it went on, or away, meanwhile
        log.info("Job %s waits on the disk: memory is short.", job.id)
        del self.loop.running[job.id]
        self.shelved[job.id] = Shelved(job, snapshot.step)
        job.trajectories = []
        self.loop.order.changed = True

    def _not_stored(self, job: EngineJob, problem: Exception) -> None:
        self._storing.discard(job.id)
        job.ran_at = self.loop.clock()  # tried again after another while
        log.warning("Job %s cannot wait on the disk.", job.id, exc_info=problem)

    def _recall(self) -> None:
        """One at a time, the first that came."""
        if self.idle or not self._has_room():
            return
        first = min(self.shelved.values(), key=lambda one: one.job.arrived)
        job = self.shelved.pop(first.job.id).job
        self._recalled[job.id] = job
        self.entrance.recall(job.render, arrived=job.arrived)

    def _has_room(self) -> bool:
        """Memory is there again, or rows are, or the floor has nobody else to serve."""
        order = self.loop.order
        if not self.loop.headroom.host_tight:
            return True
        return not order.floored if order.pressed else not order.full

    def back(self, job: EngineJob) -> EngineJob:
        """The job that was recalled, with what it has cost so far and the trajectories of `job`."""
        before = self._recalled.pop(job.id, None)
        if before is None or before.render is not job.render:
            return job
        before.trajectories, before.paused = job.trajectories, False
        before.ran_at = job.ran_at
        return before

    # --- endings -----------------------------------------------------------------------------

    def drop(self, job_id: str) -> None:
        self.shelved.pop(job_id, None)
        self._recalled.pop(job_id, None)

    def give_back(self) -> None:
        """Their snapshots are on the disk."""
        for one in self.shelved.values():
            self.loop.send(GivenBack(one.job.id, one.job.render.attempt, one.step))
        self.shelved.clear()
