"""How long from submit to the start of work: our whole path against plain arq, in the same run.

Ours: front desk (parse, screen, price, one durable transaction) -> bell -> dispatcher process -> bell of
the GPU queue -> claim committed in Postgres. Plain arq: enqueue_job -> first line of the function, which
accepts no durable job, keeps no books and knows no fairness. Same Redis, interleaved, random pauses.
"""

import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from arq.connections import ArqRedis
from arq.worker import Worker, func
from pydantic import SecretStr
from redis.asyncio import ConnectionPool

from farm.embedded import EmbeddedServers
from migrations.run import upgrade
from shared import jobstore, ledger, workers
from shared.admission import FrontDesk, Person, Submission
from shared.bell import ARQ_DEFAULTS, Bell, arq_pool, gpu_queue
from shared.catalog import read_catalog
from shared.config import ROOT, DatabaseSettings, RedisSettings, Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.leadership import is_led
from shared.plans import read_plans
from shared.safety import PromptScreen, read_blocklist

GPU = "bench"
ADA = Person(discord_id="1", name="Ada", plan="pro")
WITHIN_S = 10.0
# One measurement: returns seconds from submit to start.
Measure = Callable[[], Awaitable[float]]


def main(n: int = 100, seed: int = 7) -> dict[str, float]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"n {n}, seed {seed}, {os.cpu_count()} cores, {platform.machine()}, load {load}")
    with (
        tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder,
        EmbeddedServers(Path(folder)) as servers,
    ):
        upgrade(servers.database_url)
        times = asyncio.run(_measure(servers, n=n, seed=seed))
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


async def _measure(servers: EmbeddedServers, *, n: int, seed: int) -> dict[str, list[float]]:
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(servers.database_url)),
        redis=RedisSettings(url=SecretStr(servers.redis_url)),
    )
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
    database, bell = Database.connect(settings.database), Bell(settings.redis)
    redis = connect_redis(settings.redis)
    book = read_plans(settings.plans_file)
    desk = FrontDesk(
        database,
        bell,
        Events(redis),
        book,
        read_catalog(settings.catalog_file),
        PromptScreen(read_blocklist(settings.blocklist_file)),
        draw_seed=lambda: 7,
    )
    claimed: asyncio.Queue[float] = asyncio.Queue()

    async def measure() -> float:
        began = time.perf_counter()
        key = f"bench-{began}"
        await desk.submit(Submission("a red sailboat", ADA, route=None, key=key))
        return await claimed.get() - began

    async with _dispatcher(settings, database), _gpu(settings, database, claimed):
        yield measure
    await bell.close()
    await redis.aclose()
    await database.close()


@asynccontextmanager
async def _gpu(
    settings: Settings, database: Database, claimed: asyncio.Queue[float]
) -> AsyncIterator[None]:
    """A worker's doorbell and claim, without an engine: a claimed job is cancelled and gone."""

    async def render(ctx: dict[Any, Any], *ring: Any) -> None:
        job_id, attempt = UUID(ring[0]), ring[1]
        async with database.begin() as session:
            job = await jobstore.running(session, job_id, attempt=attempt, worker=GPU, lease_s=60.0)
        claimed.put_nowait(time.perf_counter())
        assert job is not None
        async with database.begin() as session:
            await jobstore.cancelled(session, job_id, job.account_id)
            await ledger.release(session, job)

    async def heartbeat() -> None:
        while True:
            async with database.begin() as session:
                await workers.heartbeat(session, GPU, "none", 4, ["postcards"], False)
            await asyncio.sleep(5.0)

    worker = Worker(
        [func(render, name="render")],
        queue_name=gpu_queue(GPU),
        redis_pool=await arq_pool(settings.redis),
        **ARQ_DEFAULTS,
    )
    beating = asyncio.create_task(heartbeat())
    async with _running(worker):
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


@asynccontextmanager
async def _dispatcher(settings: Settings, database: Database) -> AsyncIterator[None]:
    """The real process, as `pictor dispatch` starts it."""
    assert settings.database.url
    assert settings.redis.url
    environment = {
        **os.environ,
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
        "PICTOR_LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "farm", "dispatch", cwd=ROOT, env=environment
    )
    try:
        async with asyncio.timeout(30.0):
            while not await _leads(database):
                await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        await process.wait()


async def _leads(database: Database) -> bool:
    async with database.read() as session:
        return await is_led(session)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
