"""What the engine did, told to the parent every so often, for whoever watches the farm."""

import time
from collections.abc import Callable

from farm.engine.engine import Engine
from farm.engine.messages import Loads, Report, Tier

EVERY_S = 10.0  # Prometheus asks every 15 s or more


class Reporter:
    """Silent while nothing changes."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._told: Report | None = None
        self._due = clock()

    def look(self) -> None:
        """Called by the loop as often as it likes."""
        if self._clock() >= self._due:
            self.tell()

    def tell(self) -> None:
        self._due = self._clock() + EVERY_S
        report = report_of(self._engine)
        if report != self._told:
            self._told = report
            self._engine.send(report)


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
            name: Tier(used, pool.budget[name], pool.evictions.get(name, 0))
            for name, used in pool.used.items()
        },
    )
