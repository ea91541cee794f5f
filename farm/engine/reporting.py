"""What the engine did, told to the parent every so often, for whoever watches the farm."""

import time
from collections.abc import Callable

from farm.engine.engine import Engine
from farm.engine.memory.household import DEVICE
from farm.engine.messages import Loads, Report, Tier

EVERY_S = 10.0  # Prometheus asks every 15 s or more
SOON_S = 1.0  # what the dispatcher places jobs by


class Reporter:
    """Silent while nothing changes."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._told: Report | None = None
        self._due = self._soon = clock()

    def look(self) -> None:
        """Called by the loop as often as it likes."""
        now = self._clock()
        if now < min(self._soon, self._due):
            return
        self._soon = now + SOON_S
        if now >= self._due or self.behind:
            self.tell()

    @property
    def behind(self) -> bool:
        """Whether other checkpoints are at hand, or there is other room for more, than was told."""
        return self._told is None or at_hand(report_of(self._engine)) != at_hand(self._told)

    def tell(self) -> None:
        self._due = self._clock() + EVERY_S
        report = report_of(self._engine)
        if report != self._told:
            self._told = report
            self._engine.send(report)


def at_hand(report: Report) -> tuple[list[str], int, int]:
    device = report.tiers[DEVICE]
    return report.checkpoints, device.budget, device.free


def report_of(engine: Engine) -> Report:
    pool, counts = engine.pool.report(), engine.counts
    loads = pool.traffic.items()
    return Report(
        checkpoints=engine.pool.warm,
        forwards=counts["forwards"],
        rows=counts["rows"],
        redrawn=counts["redrawn"],
        out_of_memory=counts["out_of_memory"],
        rung=int(engine.ladder.rung),
        snapshots_failed=engine.snapshots.failures,
        snapshots_passed_over=dict(engine.snapshots.folder.passed_over),
        hits=pool.hits,
        warm_hits=pool.warm_hits,
        misses=pool.misses,
        failures=pool.failures,
        loads={name: Loads(one.loads, one.seconds, one.bytes) for name, one in loads},
        tiers={
            name: Tier(used, pool.budget[name], pool.evictions.get(name, 0), pool.free[name])
            for name, used in pool.used.items()
        },
    )
