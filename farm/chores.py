"""A chore of the leading dispatcher: done again and again, and counted for Prometheus."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from random import random

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.errors import Fault

log = logging.getLogger(__name__)

LONGEST_REST_S = 30.0
APART_S = 0.15


class Tally:
    """What the sweeps of this process have done, over all its times as leader."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rows = self._counter("pictor_sweep_rows", "Rows that a sweep put right")
        self._runs = self._counter("pictor_sweep_runs", "Times that a sweep was done")
        self._failures = self._counter("pictor_sweep_failures", "Times that it broke off")
        self._seconds = self._counter("pictor_sweep_seconds", "Time that it took")
        words = "When a sweep was last done, in seconds since 1970"
        self._last = Gauge("pictor_sweep_last_success", words, ["sweep"], registry=self.registry)
        words = "Places where the books disagreed when they were last compared"
        self._wrong = Gauge("pictor_mismatches", words, ["check"], registry=self.registry)

    def done(self, sweep: str, *, rows: int, seconds: float = 0.0) -> None:
        self._rows.labels(sweep).inc(rows)
        self._runs.labels(sweep).inc()
        self._seconds.labels(sweep).inc(seconds)
        self._failures.labels(sweep).inc(0)  # so that the line is there before the first failure
        self._last.labels(sweep).set_to_current_time()

    def failed(self, sweep: str, *, seconds: float) -> None:
        self._failures.labels(sweep).inc()
        self._seconds.labels(sweep).inc(seconds)

    def mismatches(self, check: str, count: int) -> None:
        self._wrong.labels(check).set(count)

    def _counter(self, name: str, words: str) -> Counter:
        return Counter(name, words, ["sweep"], registry=self.registry)


@dataclass(frozen=True, slots=True)
class Chore:
    """`work` returns how many rows it put right."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[int]]

    async def for_ever(self, tally: Tally, *, after_s: float = 0.0) -> None:
        await asyncio.sleep(after_s)
        rest = self.every_s
        while True:
            rest = self.every_s if await self._do(tally) else self._longer(rest)
            # Jitter keeps the chores from falling into step.
            await asyncio.sleep(rest * (0.9 + 0.2 * random()))

    async def _do(self, tally: Tally) -> bool:
        began = time.monotonic()
        try:
            rows = await self.work()
        except Exception as error:
            tally.failed(self.name, seconds=time.monotonic() - began)
            _log_failure(self.name, error)
            return False
        tally.done(self.name, rows=rows, seconds=time.monotonic() - began)
        if rows:
            log.info("%s: %d", self.name, rows)
        return True

    def _longer(self, rest: float) -> float:
        return min(2 * rest, max(LONGEST_REST_S, self.every_s))


def one_by_one(chores: Iterable[Chore], tally: Tally) -> dict[str, Callable[[], Awaitable[None]]]:
    """What begins each of them, by name: one after the other, for all at once they would hold every connection
    that dispatching has."""
    return {
        chore.name: partial(chore.for_ever, tally, after_s=number * APART_S)
        for number, chore in enumerate(chores)
    }


def _log_failure(name: str, error: Exception) -> None:
    if isinstance(error, Fault):
        log.warning("%s failed (%s)", name, error.code)
    else:
        log.error("%s failed", name, exc_info=error)
