"""Work that waits for a thread: the better rank first, and now and then whoever has waited longest."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")

# Ranks, of which the first three are the parent's: turbo 0, fast 1, relax 2.
COURTESY = 3  # previews: behind everybody's pictures
OLDEST_EVERY = 8  # so often the oldest is taken whatever its rank: no rank waits for ever


class Line(Generic[T]):
    """Put and taken from any thread."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, T]] = []  # rank, number, work; a few dozen at most
        self._numbers = 0
        self._taken = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, work: T, *, rank: int) -> None:
        with self._changed:
            self._waiting.append((rank, self._numbers, work))
            self._numbers += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Who waits for work, or comes when none is left, gets None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, *, worst: int = COURTESY) -> T | None:
        """Waits for work of rank `worst` or better; None once the line is closed and has none."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fit(worst))
            fit = self._fit(worst)
            if not fit:
                return None
            self._taken += 1
            oldest_first = self._taken % OLDEST_EVERY == 0
            chosen = min(fit, key=lambda one: one[1] if oldest_first else one[:2])
            self._waiting.remove(chosen)
            return chosen[2]

    def _fit(self, worst: int) -> list[tuple[int, int, T]]:
        return [one for one in self._waiting if one[0] <= worst]
