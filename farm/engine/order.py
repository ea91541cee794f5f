"""The order of the engine's forwards: who runs in the next one, and who is parked meanwhile."""

from collections.abc import Callable, Iterable

from farm.engine import batching
from farm.engine.batch import Runnable, candidate, rows_of
from farm.engine.batching import Cap, Floor, Group, Turns
from farm.engine.job import EngineJob
from farm.engine.trajectory import Trajectory

REVIEW_EVERY = (
    8  # forwards: who runs while others wait is chosen anew this often, and at every change
)
GUIDED = 2  # rows of a picture that is guided: towards its texts, and away from others


class Order:
    """`cost` is what a forward of so many rows of a group takes, in milliseconds."""

    def __init__(self, cap: Cap, cost: Callable[[Group, int], float]) -> None:
        self._cap, self._cost = cap, cost
        self._turns, self._floor = Turns(), Floor()
        self._unreviewed = 0
        self._kept: set[Trajectory] = set()  # from running, by a higher rank
        self.changed = False
        self.sharing: dict[Group, list[Runnable]] = {}
        self.floored: list[Runnable] = []  # the forward that the floor pays for, when it is due
        self.parked: list[Runnable] = []

    @property
    def pressed(self) -> bool:
        """Somebody waits for rows."""
        return bool(self.parked)

    @property
    def best(self) -> int:
        """The rank that is served first now."""
        ranks = [job.render.rank for own in self.sharing.values() for job, _ in own]
        return min(ranks, default=0)

    @property
    def groups(self) -> set[Group]:
        """Of those who may run."""
        return self.sharing.keys() | {one.key for _, one in self.floored}

    @property
    def full(self) -> bool:
        """There is a group in which a guided picture more would have to wait."""
        return any(rows_of(own) + GUIDED > self._cap(key) for key, own in self.sharing.items())

    @property
    def due(self) -> bool:
        return self.changed or (self.pressed and self._unreviewed >= REVIEW_EVERY)

    def review(self, jobs: Iterable[EngineJob]) -> None:
        runnable = [(job, one) for job in jobs for one in job.runnable]
        candidates = [candidate(*one) for one in runnable]
        places = batching.sharing(candidates, self._cap)
        chosen = {place for own in places.values() for place in own}
        kept = batching.kept_from_running(candidates, places)
        floored = batching.floor_forward(candidates, kept, self._cap)
        self.sharing = {key: [runnable[place] for place in own] for key, own in places.items()}
        self.floored = [runnable[place] for place in floored]
        self.parked = [one for place, one in enumerate(runnable) if place not in chosen]
        self._kept = {runnable[place][1] for place in kept}
        self.changed, self._unreviewed = False, 0

    def next(self) -> list[Runnable]:
        """Whoever comes with a higher rank joins at the next step; at the one after it, when that one
        is the floor's."""
        self._unreviewed += 1
        if self.floored and self._floor_is_due():
            return self.floored
        if not self.sharing:
            return []
        costs = {key: self._cost_of(own) for key, own in self.sharing.items()}
        return self.sharing[self._turns.next(costs)]

    def ran(self, batch: list[Runnable], took_ms: float) -> None:
        if batch and self._kept:
            self._floor.ran(took_ms, share=self._share(batch))

    def _floor_is_due(self) -> bool:
        return self._floor.due(self._cost_of(self.floored), share=self._share(self.floored))

    def _cost_of(self, batch: list[Runnable]) -> float:
        return self._cost(batch[0][1].key, rows_of(batch))

    def _share(self, batch: list[Runnable]) -> float:
        return sum(one.rows for _, one in batch if one in self._kept) / rows_of(batch)
