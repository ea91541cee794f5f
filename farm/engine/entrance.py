"""Jobs on their way in: prepared beside the loop, kept waiting while there is no room, let in once."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

from farm.engine.job import EngineJob
from farm.engine.line import COURTESY
from farm.engine.memory.pool import Pool
from farm.engine.messages import GivenBack, Render, ToParent
from farm.engine.preparation import Preparation
from farm.engine.sidework import Sidework
from farm.engine.snapshots import SnapshotWriter
from farm.engine.trajectory import Trajectory
from farm.engine.weights.checkpoints import Loaded
from shared.errors import Fault

NO_ROOM_YET = "no_room_yet"  # the pool's word for: when another job has ended
# Two for anybody: a job of a checkpoint that is at hand does not wait for the load of another's. Loads
# of relax jobs may hold both; fast and turbo jobs then still have a way in, and turbo one of its own.
THREADS = (COURTESY, COURTESY, 1, 0)

Fails = Callable[[Exception], None]


class Loop(Protocol):
    """The engine, as far as the entrance needs it."""

    pool: Pool
    send: Callable[[ToParent], None]

    def join(self, job: EngineJob) -> None: ...
    def in_use(self) -> list[Loaded]: ...
    def let_go(self) -> None: ...
    def tell_failed(self, render: Render, problem: Exception) -> None: ...


class Entrance:
    def __init__(self, loop: Loop, snapshots: SnapshotWriter, *, wake: Callable[[], None]) -> None:
        self.loop = loop
        self.preparation = Preparation(loop.pool, snapshots, send=loop.send)
        self.work = Sidework("prepare", wake=wake, threads=THREADS)
        self.preparing: dict[str, Render] = {}
        self.shut_out: list[tuple[Render, int]] = []
        self._crowd = 0
        self._arrivals: Iterator[int] = count()

    @property
    def pending(self) -> bool:
        return bool(self.work.pending)

    def collect(self) -> None:
        self.work.collect()
        if self.shut_out and len(self.loop.in_use()) < self._crowd:
            self.loop.let_go()
            self._let_in()

    def admit(self, render: Render) -> None:
        """It joins once it is prepared: its checkpoint loaded, its texts encoded, its start drawn."""
        self.recall(render, arrived=next(self._arrivals))

    def recall(self, render: Render, *, arrived: int) -> None:
        """One that was here before: it keeps its place, and goes on from its snapshot."""
        self.preparing[render.job_id] = render
        self._prepare(render, arrived)

    def again(
        self, job: EngineJob, place: int, *, then: Callable[[Trajectory], None], fails: Fails
    ) -> None:
        """One trajectory of it from its start, in the next higher precision."""
        self.work.ask(
            lambda: self.preparation.again(job, place),
            then=then,
            fails=fails,
            rank=job.render.rank,
        )

    def rise(
        self, job: EngineJob, place: int, *, then: Callable[[Trajectory], None], fails: Fails
    ) -> None:
        """One trajectory of it to its next leg, from its picture enlarged."""
        self.work.ask(
            lambda: self.preparation.risen(job, place),
            then=then,
            fails=fails,
            rank=job.render.rank,
        )

    def drop(self, job_id: str) -> None:
        self.preparing.pop(job_id, None)

    def give_back(self) -> None:
        for render in self.preparing.values():
            self.loop.send(GivenBack(render.job_id, render.attempt, 0))
        self.preparing.clear()

    def _prepare(self, render: Render, arrived: int) -> None:
        self.work.ask(
            lambda: self.preparation.job(render, arrived=arrived),
            then=lambda job: self._prepared(job, render),
            fails=lambda problem: self._not_prepared(render, arrived, problem),
            rank=render.rank,
        )

    def _prepared(self, job: EngineJob, render: Render) -> None:
        if self.preparing.get(job.id) is render:
            del self.preparing[job.id]
            self.loop.join(job)

    def _not_prepared(self, render: Render, arrived: int, problem: Exception) -> None:
        if self.preparing.get(render.job_id) is not render:
            return
        others = self.loop.in_use()
        if others and isinstance(problem, Fault) and problem.code == NO_ROOM_YET:
            self.shut_out.append((render, arrived))  # it fits as soon as one of these ends
            self._crowd = len(others)
            return
        del self.preparing[render.job_id]
        self.loop.tell_failed(render, problem)

    def _let_in(self) -> None:
        """A job has ended: what waited for room is prepared anew."""
        waiting, self.shut_out = self.shut_out, []
        for render, arrived in waiting:
            if self.preparing.get(render.job_id) is render:
                self._prepare(render, arrived)
