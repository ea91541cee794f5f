"""How long from submit to the start of work: our whole path against plain arq, in the same run.

Ours: front desk (parse, screen, price, one durable transaction) -> bell -> dispatcher process -> bell of
the GPU queue -> claim committed in Postgres. Plain arq: enqueue_job -> first line of the function, which
accepts no durable job, keeps no books and knows no fairness. Same Redis, interleaved, random pauses.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import Any

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool

from farm.ear import Ear, Said, jobs_in
from shared import jobstore, ledger, workers
from shared.admission import Person, Submission
from shared.bell import RENDER, arq_pool, gpu_queue
from shared.config import Settings
from shared.connections import Database
from tests.bench.control_plane import open_desk
from tests.bench.processes import environment, headline, led, running, served

GPU = "bench"
ADA = Person(discord_id="1", name="Ada", plan="pro")
WITHIN_S = 10.0
# One measurement: returns seconds from submit to start.
Measure = Callable[[], Awaitable[float]]


def main(n: int = 100, seed: int = 7) -> dict[str, float]:
    print(headline(n=n, seed=seed))
    with served() as (_, settings):
        times = asyncio.run(_measure(settings, n=n, seed=seed))
    return _table(times)


def _table(times: dict[str, list[float]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    print(f"{'submit to start':<28} {'p50':>9} {'p90':>9} {'p99':>9} {'max':>9}")
    for name, values in times.items():
        ordered = sorted(values)
        cells = [ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.9)]
        cells += [ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)], ordered[-1]]
        print(f"{name:<28} " + " ".join(f"{1000 * cell:6.1f} ms" for cell in cells))
        figures |= {f"{name} p50 ms": 1000 * cells[0], f"{name} p99 ms": 1000 * cells[2]}
    plain, ours = figures["plain arq, defaults p50 ms"], figures["pictor p50 ms"]
    print(f"pictor starts {plain / ours:.1f} times sooner than plain arq (p50)")
    return figures


async def _measure(settings: Settings, *, n: int, seed: int) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        measures: dict[str, Measure] = {
            "pictor": await stack.enter_async_context(_pictor(settings)),
            "plain arq, defaults": await stack.enter_async_context(_plain_arq(settings, "plain")),
            "plain arq, poll 20 ms": await stack.enter_async_context(
                _plain_arq(settings, "eager", poll_delay=0.02)
            ),
        }
        return await _interleave(measures, n=n, random=Random(seed))


async def _interleave(
    measures: dict[str, Measure], *, n: int, random: Random
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(n + 2):
        for name in random.sample(list(measures), len(measures)):
            await asyncio.sleep(random.uniform(0.02, 0.25))
            async with asyncio.timeout(WITHIN_S):
                took = await measures[name]()
            if turn >= 2:  # the first two fill pools and caches
                times[name].append(took)
    return times


@asynccontextmanager
async def _plain_arq(settings: Settings, queue: str, **options: Any) -> AsyncIterator[Measure]:
    assert settings.redis.url
    url = settings.redis.url.get_secret_value()
    pool = ArqRedis(ConnectionPool.from_url(url), default_queue_name=queue)
    started: asyncio.Queue[float] = asyncio.Queue()

    async def start(ctx: dict[Any, Any]) -> None:
        started.put_nowait(time.perf_counter())

    async def measure() -> float:
        began = time.perf_counter()
        await pool.enqueue_job("start")
        return await started.get() - began

    functions = [func(start, name="start")]
    worker = Worker(functions, queue_name=queue, redis_pool=pool, handle_signals=False, **options)
    async with _running(worker):
        yield measure


@asynccontextmanager
async def _pictor(settings: Settings) -> AsyncIterator[Measure]:
    claimed: asyncio.Queue[float] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        database, desk = await open_desk(stack, settings)

        async def measure() -> float:
            began = time.perf_counter()
            key = f"bench-{began}"
            await desk.submit(Submission("a red sailboat", ADA, route=None, key=key))
            return await claimed.get() - began

        dispatcher = running("farm", "dispatch", environment=environment(settings))
        await stack.enter_async_context(dispatcher)
        await led(database)
        await stack.enter_async_context(_gpu(settings, database, claimed))
        yield measure


@asynccontextmanager
async def _gpu(
    settings: Settings, database: Database, claimed: asyncio.Queue[float]
) -> AsyncIterator[None]:
    """A worker's doorbell and claim, without an engine: a claimed job is cancelled and gone."""

    async def render(rings: Sequence[Said]) -> None:
        attempts = jobs_in(rings)
        async with database.single() as session:
            jobs = await jobstore.running_all(session, attempts, worker=GPU, lease_s=60.0)
        claimed.put_nowait(time.perf_counter())
        [job] = jobs
        async with database.begin() as session:
            await jobstore.cancelled(session, job.id, job.account_id)
            await ledger.release(session, job)

    async def heartbeat() -> None:
        while True:
            async with database.begin() as session:
                await workers.heartbeat(session, GPU, "none", 4, ["postcards"], False)
            await asyncio.sleep(5.0)

    ear = Ear(await arq_pool(settings.redis), gpu_queue(GPU), {RENDER: render})
    beating = asyncio.create_task(heartbeat())
    async with _running(ear):
        yield
    beating.cancel()


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.main())
    try:
        yield
    finally:
        worker.allow_pick_jobs = False  # arq leaves a pipeline open when it is cancelled in one
        await asyncio.sleep(0.1)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        await worker.pool.aclose(close_connection_pool=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
