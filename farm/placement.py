"""Which worker takes a job. Pure: a worker's slots, memory and warm checkpoints in, a choice out.

A slot is room for one job. A faster job may also come to a worker whose slots are taken by slower ones:
the engine gives it their rows at the next step, and they go on when rows are free again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from shared.plans import Speed

# The fastest first: who may push whom aside.
RANK: dict[Speed, int] = {speed: place for place, speed in enumerate(Speed)}


class Kind(NamedTuple):
    """What a job asks of a worker: jobs of one kind fit the same workers."""

    checkpoint: str
    vram_bytes: int
    alone: bool
    speed: Speed


@dataclass(frozen=True, slots=True)
class Worker:
    """A GPU as the farm sees it: `busy` jobs by speed in its `slots`, and the checkpoints that are warm.

    `vram_bytes` is what checkpoints may take of its memory, `free_bytes` what nobody uses of it now; 0
    where it is not known. `alone`: one of its jobs must not have company.
    """

    name: str
    slots: int
    busy: Mapping[Speed, int] = field(default_factory=dict)
    checkpoints: frozenset[str] = frozenset()
    draining: bool = False
    vram_bytes: int = 0
    free_bytes: int = 0
    alone: bool = False

    @property
    def jobs(self) -> int:
        return sum(self.busy.values())

    @property
    def open_slots(self) -> int:
        return 0 if self.draining or self.alone else max(self.slots - self.jobs, 0)

    def room(self, speed: Speed) -> int:
        """Jobs of this speed that it takes, slower ones pushed aside: each speed has all the slots that
        no faster one has, so there are never more jobs than slots for each of the speeds."""
        if self.draining or self.alone:
            return 0
        before = sum(count for other, count in self.busy.items() if RANK[other] <= RANK[speed])
        return max(self.slots - before, 0)

    def holds(self, kind: Kind) -> bool:
        """Whether its memory is large enough, were everything else out of it."""
        return not self.vram_bytes or kind.vram_bytes <= self.vram_bytes

    def with_job(self, kind: Kind) -> "Worker":
        """Its checkpoint is on its way there: another job of it had better come to the same place."""
        return replace(
            self,
            busy={**self.busy, kind.speed: self.busy.get(kind.speed, 0) + 1},
            checkpoints=self.checkpoints | {kind.checkpoint},
            alone=self.alone or kind.alone,
        )

    def without_job(self, speed: Speed) -> "Worker":
        busy = {**self.busy, speed: max(self.busy.get(speed, 0) - 1, 0)}
        return replace(self, busy=busy, alone=self.alone and any(busy.values()))


class Seats:
    """The workers of one moment, and what each kind of job finds among them."""

    def __init__(self, workers: Iterable[Worker], *, reserved: Mapping[Speed, int]) -> None:
        self._workers = [worker for worker in workers if not worker.draining]
        self._reserved = {speed: slots for speed, slots in reserved.items() if slots}
        self._open = sum(worker.open_slots for worker in self._workers)
        self._cleared: str | None = None
        self._found: dict[tuple[Kind, bool], list[Worker]] = {}

    @property
    def any(self) -> bool:
        return bool(self._workers)

    def clear_for(self, kinds: Iterable[Kind]) -> None:
        """A job that must be alone waits for an empty worker: the least busy one is not filled again."""
        alone = [kind for kind in kinds if kind.alone]
        fitting = [one for one in self._workers if any(one.holds(kind) for kind in alone)]
        least = min(fitting, key=lambda one: (one.jobs, one.name), default=None)
        self._cleared = least.name if least else None

    def fits(self, kind: Kind) -> bool:
        """Whether a worker could ever run it, however busy all are now."""
        return any(worker.holds(kind) for worker in self._workers)

    def takers(self, kind: Kind, *, push: bool) -> list[Worker]:
        """Who takes one now. `push`: slower jobs may be pushed aside for it."""
        if (kind, push) not in self._found:
            self._found[kind, push] = [
                worker for worker in self._workers if self._takes(worker, kind, push=push)
            ]
        return self._found[kind, push]

    def warm(self, kind: Kind, *, push: bool) -> bool:
        return any(kind.checkpoint in one.checkpoints for one in self.takers(kind, push=push))

    def best(self, kind: Kind, *, push: bool) -> Worker:
        """Warm before cold, a free slot before a push, then where memory is free, then where least runs."""
        return min(self.takers(kind, push=push), key=lambda worker: _rank(worker, kind))

    def _takes(self, worker: Worker, kind: Kind, *, push: bool) -> bool:
        if not worker.holds(kind):
            return False
        if kind.alone:
            return worker.jobs == 0
        if worker.name == self._cleared:
            return False
        if worker.open_slots and self._open > self._owed_to_others(kind.speed):
            return True
        return push and worker.open_slots == 0 and worker.room(kind.speed) > 0

    def _owed_to_others(self, speed: Speed) -> int:
        """Slots that other speeds have reserved and do not use."""
        others = ((one, slots) for one, slots in self._reserved.items() if one is not speed)
        return sum(max(slots - self._busy(one), 0) for one, slots in others)

    def _busy(self, speed: Speed) -> int:
        return sum(worker.busy.get(speed, 0) for worker in self._workers)


def _rank(worker: Worker, kind: Kind) -> tuple[bool, bool, bool, int, float, str]:
    warm = kind.checkpoint in worker.checkpoints
    tight = 0 < worker.free_bytes < kind.vram_bytes and not warm
    spare = 0 if warm else -worker.free_bytes
    return not warm, not worker.open_slots, tight, spare, worker.jobs / worker.slots, worker.name
