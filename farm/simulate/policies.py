"""Who runs next: the farm's own fair queue, and the two orders it is measured against. Pure."""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Protocol
from uuid import UUID

from farm.fleet import Fleet, Pace
from farm.forecast import Foresight, foresee
from farm.placement import Worker
from farm.scheduler import Pick, Rules, Scheduler, Waiting
from shared.plans import PlanBook, Speed

Heap = list[tuple[float, int, Waiting]]


class Policy(Protocol):
    """`pushes`: a faster job takes the rows of slower ones."""

    name: str
    pushes: bool

    def push(self, waiting: Waiting, now: float) -> None: ...
    def picks(self, workers: Sequence[Worker], now: float) -> Iterable[Pick]: ...
    def ended(self, job_id: UUID, now: float, *, used_ms: float) -> None: ...
    def finished(self, *, took_s: float, cost_ms: int, stretch: float) -> None: ...
    def foresee(self, workers: Sequence[Worker], now: float) -> Foresight: ...


class Fair:
    """The scheduler, the fleet and the forecast of the dispatcher, called as its leader calls them."""

    name, pushes = "fair", True

    def __init__(self, book: PlanBook) -> None:
        self.scheduler = Scheduler(
            Rules(book.lane_weights, relax_floor=book.relax_floor, reserved=book.reserved)
        )
        self._pace = Pace()

    def push(self, waiting: Waiting, now: float) -> None:
        self.scheduler.push(waiting, now)

    def picks(self, workers: Sequence[Worker], now: float) -> Iterable[Pick]:
        if not self.scheduler.waiting:
            return
        fleet = Fleet(workers)
        while (pick := self.scheduler.pop(fleet.workers, now)) is not None:
            fleet.take(pick)
            yield pick

    def ended(self, job_id: UUID, now: float, *, used_ms: float) -> None:
        self.scheduler.ended(job_id, now, used_ms=used_ms)

    def finished(self, *, took_s: float, cost_ms: int, stretch: float) -> None:
        self._pace.observe(took_s=took_s, expected_s=cost_ms / 1000 * stretch)

    def foresee(self, workers: Sequence[Worker], now: float) -> Foresight:
        return foresee(
            self.scheduler, workers, now=now, pace=self._pace.value, spread=self._pace.spread
        )


class _Reference:
    """A line without forecasts, shares or caps. It too prefers a worker that has the checkpoint warm."""

    def __init__(self) -> None:
        self._numbers = count()

    def ended(self, job_id: UUID, now: float, *, used_ms: float) -> None: ...

    def finished(self, *, took_s: float, cost_ms: int, stretch: float) -> None: ...

    def foresee(self, workers: Sequence[Worker], now: float) -> Foresight:
        return Foresight([], {})


class Fifo(_Reference):
    """First come, first served: one line for all."""

    name, pushes = "fifo", False

    def __init__(self) -> None:
        super().__init__()
        self._line: Heap = []

    def push(self, waiting: Waiting, now: float) -> None:
        heappush(self._line, (waiting.submitted_at, next(self._numbers), waiting))

    def picks(self, workers: Sequence[Worker], now: float) -> Iterable[Pick]:
        if not self._line:
            return
        fleet = Fleet(workers)
        while self._line and (free := [one for one in fleet.workers if one.open_slots]):
            pick = _placed(heappop(self._line)[2], free)
            fleet.take(pick)
            yield pick


class Strict(_Reference):
    """Turbo before fast before relax, always; it pushes slower jobs aside as the fair queue may."""

    name, pushes = "strict", True

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[Speed, Heap] = {speed: [] for speed in Speed}

    def push(self, waiting: Waiting, now: float) -> None:
        entry = waiting.submitted_at, next(self._numbers), waiting
        heappush(self._lanes[waiting.lane], entry)

    def picks(self, workers: Sequence[Worker], now: float) -> Iterable[Pick]:
        if not any(self._lanes.values()):
            return
        fleet = Fleet(workers)
        while (pick := self._next(fleet)) is not None:
            fleet.take(pick)
            yield pick

    def _next(self, fleet: Fleet) -> Pick | None:
        for speed, line in self._lanes.items():
            takers = [one for one in fleet.workers if line and one.room(speed) > 0]
            if takers:
                return _placed(heappop(line)[2], takers)
        return None


def _placed(waiting: Waiting, workers: Iterable[Worker]) -> Pick:
    def rank(worker: Worker) -> tuple[bool, bool, float, str]:
        warm = waiting.checkpoint in worker.checkpoints
        return not warm, not worker.open_slots, worker.jobs / worker.slots, worker.name

    return Pick(waiting, min(workers, key=rank).name)


def policies(book: PlanBook) -> list[Policy]:
    return [Fair(book), Fifo(), Strict()]
