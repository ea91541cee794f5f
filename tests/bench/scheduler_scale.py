"""What push and pop cost from ten to a million waiting jobs, beside a plain heap of the same jobs.

The heap is what first-in-first-out would be: one `heappush` and one `heappop`, no lanes, no accounts, no
workers. Steady state: with n jobs waiting, one is popped, ends, and another one is pushed.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import log2
from random import Random
from uuid import UUID

from farm.scheduler import Rules, Scheduler, Waiting, Worker
from shared.plans import Speed

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
SEED = 11
ROUNDS = 2_000
TURNS = 5
RULES = Rules({Speed.TURBO: 10, Speed.FAST: 5, Speed.RELAX: 1})
FLEET = [Worker(f"gpu-{n}", slots=10**9, checkpoints=frozenset("abc"[n % 3])) for n in range(8)]


def main() -> dict[str, float]:
    print(f"seed {SEED}, {TURNS} x {ROUNDS} rounds, 8 workers, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'waiting':>9} {'push us':>8} {'pop us':>8} {'pop / log2 n':>13} {'heap us':>8} {'ratio':>7}"
    )
    figures: dict[str, float] = {}
    for size in SIZES:
        push_us, pop_us, heap_us = _measured(size)
        ratio = (push_us + pop_us) / heap_us
        print(
            f"{size:>9} {push_us:>8.1f} {pop_us:>8.1f} {pop_us / log2(size):>13.2f}"
            f" {heap_us:>8.2f} {ratio:>6.0f}x"
        )
        figures |= {f"push us {size}": push_us, f"pop us {size}": pop_us, f"ratio {size}": ratio}
    growth = figures[f"pop us {SIZES[-1]}"] / figures[f"pop us {SIZES[0]}"]
    print(f"pop: {growth:.2f} times as dear with {SIZES[-1] // SIZES[0]:,} times as many waiting")
    return figures | {"pop growth": growth}


def _measured(size: int) -> tuple[float, float, float]:
    """Microseconds of a push, a pop with its end, and a push and pop of the heap; medians of turns."""
    random, numbers = Random(SEED), count(1)
    scheduler = Scheduler(RULES)
    heap: list[tuple[float, int]] = []
    for _ in range(size):
        job = _job(random, next(numbers), accounts=max(size // 10, 3))
        scheduler.push(job)
        heappush(heap, (job.submitted_at, job.job_id.int))
    gc.collect()
    gc.freeze()
    turns = [_turn(scheduler, heap, random, numbers, size=size) for _ in range(TURNS)]
    gc.unfreeze()
    push, pop, plain = (statistics.median(column) for column in zip(*turns, strict=True))
    return push, pop, plain


def _turn(
    scheduler: Scheduler,
    heap: list[tuple[float, int]],
    random: Random,
    numbers: Iterator[int],
    *,
    size: int,
) -> tuple[float, float, float]:
    jobs = [_job(random, next(numbers), accounts=max(size // 10, 3)) for _ in range(ROUNDS)]
    pop = push = 0.0
    for job in jobs:
        pop += _timed(lambda: _pop(scheduler))
        push += _timed(lambda job=job: scheduler.push(job))  # type: ignore[misc]
    plain = _timed(lambda: _turn_heap(heap, jobs))
    return tuple(1e6 * seconds / ROUNDS for seconds in (push, pop, plain))  # type: ignore[return-value]


def _pop(scheduler: Scheduler) -> None:
    pick = scheduler.pop(FLEET, 0.0)
    assert pick is not None
    scheduler.ended(pick.waiting.job_id, 0.0, used_ms=pick.waiting.cost_ms * 0.9)


def _turn_heap(heap: list[tuple[float, int]], jobs: list[Waiting]) -> None:
    for job in jobs:
        heappop(heap)
        heappush(heap, (job.submitted_at, job.job_id.int))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _job(random: Random, number: int, *, accounts: int) -> Waiting:
    return Waiting(
        job_id=UUID(int=number),
        account_id=UUID(int=random.randrange(accounts)),
        lane=random.choice(list(Speed)),
        plan_weight=random.choice((1, 2, 4)),
        max_running=10**9,
        cost_ms=random.randint(500, 4000),
        submitted_at=random.uniform(0, 50),
        checkpoint=random.choice("abc"),
    )


if __name__ == "__main__":
    main()
