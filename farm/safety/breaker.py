"""When too many answers of a filter are none, it is broken: stop asking for pictures until it is well. Pure."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """It opens after `in_a_row` failures, or `failures` among the last `of` jobs, and closes when it has
    passed every test for `heal_s` seconds."""

    in_a_row: int = 5
    failures: int = 10
    of: int = 20
    heal_s: float = 60.0


class Breaker:
    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._last: deque[bool] = deque(maxlen=self._limits.of)
        self._in_a_row = 0
        self._well_since: float | None = None
        self.open = False

    def judged(self, *, failed: bool) -> None:
        """Of one job, by which its filter answered, or could not."""
        self._in_a_row = self._in_a_row + 1 if failed else 0
        self._last.append(failed)
        limits = self._limits
        if self._in_a_row >= limits.in_a_row or sum(self._last) >= limits.failures:
            self.trip()

    def trip(self) -> None:
        if not self.open:
            self.open, self._well_since = True, None

    def tested(self, *, passed: bool, now: float) -> bool:
        """Whether it is well: it has passed for long enough."""
        if not passed:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        return self._well_since is not None and now - self._well_since >= self._limits.heal_s

    def close(self) -> None:
        """It is well, or somebody answers for it. What failed before is forgotten."""
        self.open = False
        self._in_a_row, self._well_since = 0, None
        self._last.clear()
