"""What the pool did, in numbers."""

from collections import Counter
from dataclasses import dataclass

# Bytes a second, until something has been measured: they only weigh one checkpoint against another.
GUESSED = {"disk": 0.5e9, "host": 10e9}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Loads from one tier; the first of a checkpoint includes checking and building it."""

    loads: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def plus(self, seconds: float, size: int) -> "Traffic":
        return Traffic(self.loads + 1, self.seconds + seconds, self.bytes + size)


@dataclass(frozen=True, slots=True)
class PoolReport:
    """Each `get` is one of: a hit (on the device), a warm hit (from the host), a miss, a failure.

    `traffic` by the tier it came from, and `ahead` what was read before it was asked for; `used`,
    `budget` and `free` (bytes) and `evictions` by the tier that holds it; `free` is what a newcomer
    could have if all that may leave left for it.
    """

    hits: int
    warm_hits: int
    misses: int
    failures: int
    traffic: dict[str, Traffic]
    evictions: dict[str, int]
    used: dict[str, int]
    budget: dict[str, int]
    free: dict[str, int]

    @property
    def gets(self) -> int:
        return self.hits + self.warm_hits + self.misses + self.failures


class Tally:
    def __init__(self) -> None:
        self.hits = 0
        self.failures = 0
        self.evictions: Counter[str] = Counter()
        self._traffic = {source: Traffic() for source in ("host", "disk", "ahead")}

    def carried(self, source: str, seconds: float, size: int) -> None:
        self._traffic[source] = self._traffic[source].plus(seconds, size)

    def seconds_for(self, source: str, size: int) -> float:
        """What a load of this size would take, at the speed measured so far."""
        known = self._traffic[source]
        if known.bytes and known.seconds:
            return known.seconds * size / known.bytes
        return size / GUESSED[source]

    def report(
        self, *, used: dict[str, int], budget: dict[str, int], free: dict[str, int]
    ) -> PoolReport:
        return PoolReport(
            hits=self.hits,
            warm_hits=self._traffic["host"].loads,
            misses=self._traffic["disk"].loads,
            failures=self.failures,
            traffic=dict(self._traffic),
            evictions=dict(self.evictions),
            used=used,
            budget=budget,
            free=free,
        )
