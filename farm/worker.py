"""The GPU worker's parent: its loops, its doorbell, its child. It imports no torch.

Postgres says which jobs are ours; the arq queue and the events only say it sooner.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from redis.exceptions import RedisError

from farm import leftovers, meters
from farm.child import Child, Engine
from farm.closet import TIDY_EVERY_S, Closet
from farm.ear import Ear, Said, jobs_in
from farm.endings import Bench
from farm.engine.client import EngineClient, EngineOptions
from farm.fuse import Fuse
from farm.ownership import Ownership, owning
from farm.packing import open_packer
from farm.safety.breaker import Limits
from farm.safety.cell import Cell
from farm.safety.watchlist import REFRESH_EVERY_S, Watchlist
from farm.stocking import Stocking
from farm.tenure import Tenure
from shared.bell import EXPECT, RENDER, arq_pool, gpu_queue
from shared.catalog import read_catalog
from shared.config import SafetySettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import Events
from shared.plans import read_plans
from shared.storage import open_store
from shared.telemetry import configure_logging

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # a lost ring costs this
EXPIRE_EVERY_S = 0.25  # a step, or a little more
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
CLOSE_S = 3.0
EXIT_WITHIN_S = 25

Starter = Callable[[EngineOptions], Awaitable[Engine]]


async def run_worker(
    settings: Settings, *, start: Starter | None = None, exit_within_s: int = 0
) -> None:
    """Until SIGTERM or SIGINT; returns within 25 s of it with every job given back or finished.

    `start` starts the child, if it is to be another than the engine's own. `exit_within_s` of the
    signal the process ends itself, whatever hangs: a thread in a dead disk outlives every timeout.
    """
    configure_logging(settings.log_level)
    stop = _stop_signal(exit_within_s)
    async with _opened(settings) as bench, owning(settings) as owned:
        await _first(stop.wait(), _win_all(owned))
        if stop.is_set():
            return
        child = Child(lambda: (start or EngineClient.start)(_options(settings)))
        tenure = Tenure(bench, child, sole=lambda: all(one.ours for one in owned))
        host, port = settings.worker.metrics_host, settings.worker.metrics_port
        with meters.served(child.meters.registry, host=host, port=port):
            await _until(stop, tenure, _loops(tenure, child, owned, settings))


async def _win_all(owned: Sequence[Ownership]) -> None:
    for one in owned:
        await one.win()


def _loops(
    tenure: Tenure, child: Child, owned: Sequence[Ownership], settings: Settings
) -> list[asyncio.Task[None]]:
    bench = tenure.bench
    loops = (
        child.run(),
        *(one.keep() for one in owned),
        _repeat(tenure.beat, lambda: child.changed_within(settings.worker.heartbeat_s)),
        _repeat(tenure.expire, lambda: asyncio.sleep(EXPIRE_EVERY_S)),
        _repeat(tenure.reopen, lambda: asyncio.sleep(LOOK_EVERY_S)),
        _repeat(tenure.look, lambda: asyncio.sleep(LOOK_EVERY_S)),
        _repeat(lambda: _forget(tenure, child, settings), lambda: asyncio.sleep(leftovers.EVERY_S)),
        *_stocking(bench, child),
        _hear(tenure),
        _repeat(lambda: bench.fuse.tend(bench.database, child, bench.watch), bench.fuse.awake),
        _repeat(
            lambda: bench.watch.refresh(bench.database),
            lambda: asyncio.sleep(REFRESH_EVERY_S),
        ),
        _supervised(lambda: _listen(tenure, child, settings)),
    )
    return [asyncio.create_task(loop) for loop in loops]


def _stocking(bench: Bench, child: Child) -> list[Coroutine[Any, Any, None]]:
    assert bench.closet is not None, "a worker has one"
    stocking = Stocking(bench.settings.name, bench.database, child, bench.closet)
    return [
        _repeat(stocking.look, lambda: asyncio.sleep(LOOK_EVERY_S)),
        _repeat(stocking.tidy, lambda: asyncio.sleep(TIDY_EVERY_S)),
    ]


async def _until(stop: asyncio.Event, tenure: Tenure, loops: list[asyncio.Task[None]]) -> None:
    """A loop that ends by itself is a bug of ours: leave in order all the same, then say so."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
        broken = [loop for loop in loops if loop.done()]
        await tenure.leave()
    finally:
        for task in (stopped, *loops):
            task.cancel()
        await asyncio.wait([stopped, *loops], timeout=CLOSE_S)
    for loop in broken:
        loop.result()


async def _first(*works: Coroutine[Any, Any, object]) -> None:
    """Until one of them is done; the others are given up."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_S)


async def _repeat(
    action: Callable[[], Awaitable[None]], pause: Callable[[], Awaitable[None]]
) -> None:
    """For ever; a Fault is ours to outlast, since what was missed is found the next time, soon."""
    while True:
        try:
            await action()
        except Fault as fault:
            log.warning("%s (%s)", fault.sentence, fault.code)
            await asyncio.sleep(LOOK_EVERY_S)
        else:
            await pause()


async def _forget(tenure: Tenure, child: Child, settings: Settings) -> None:
    await leftovers.forget_ended(child, settings.worker.snapshots, tenure.bench.database)


async def _supervised(action: Callable[[], Awaitable[None]]) -> None:
    """What lives on Redis is started again when Redis was away: it only makes us quicker."""
    pause = FIRST_PAUSE_S
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await action()
        except (RedisError, OSError, Fault) as error:
            log.warning("Redis is away (%s); trying again in %.1f s.", type(error).__name__, pause)
        if asyncio.get_running_loop().time() - began > LONGEST_PAUSE_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _hear(tenure: Tenure) -> None:
    """What an event missed, the next heartbeat finds."""
    async for event in tenure.bench.events.follow():
        if event is not None:
            with contextlib.suppress(Fault):
                await tenure.heed(event)


async def _listen(tenure: Tenure, child: Child, settings: Settings) -> None:
    """The doorbell. It ends at the first error of Redis."""

    async def render(rings: Sequence[Said]) -> None:
        with contextlib.suppress(Fault):  # the look at Postgres finds the jobs a second later
            await tenure.take(jobs_in(rings))

    async def expect(rings: Sequence[Said]) -> None:
        await child.expect([str(name) for name in rings[-1]])

    queue = gpu_queue(settings.worker.name)
    ear = Ear(await arq_pool(settings.redis), queue, {RENDER: render, EXPECT: expect})
    try:
        await ear.main()
    finally:
        await ear.close()


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Bench]:
    packer = open_packer(settings)
    watch = Watchlist(settings.worker.hashes)
    watch.open()  # a list that cannot be read would block every picture
    database, redis = Database.connect(settings.database), connect_redis(settings.redis)
    store, cell = open_store(settings.storage), Cell()
    catalog = read_catalog(settings.catalog_file)
    try:
        yield Bench(
            database=database,
            store=store,
            events=Events(redis),
            book=read_plans(settings.plans_file),
            settings=settings.worker,
            packer=packer,
            watch=watch,
            safety=settings.safety,
            fuse=Fuse(settings.worker.name, _limits(settings.safety)),
            cell=cell,
            closet=Closet(settings.worker.loras, store, database, catalog),
        )
    finally:
        await cell.close()
        await redis.aclose()
        await database.close()


def _limits(safety: SafetySettings) -> Limits:
    return Limits(
        in_a_row=safety.filter_failures_in_a_row,
        failures=safety.filter_failures,
        of=safety.filter_failures_of,
        heal_s=safety.filter_heal_s,
    )


def _options(settings: Settings) -> EngineOptions:
    worker = settings.worker
    return EngineOptions(
        snapshots=worker.snapshots,
        catalog=settings.catalog_file,
        device=worker.device,
        rows=worker.rows,
        threads=worker.threads,
        vram_gb=worker.vram_gb,
        host_gb=worker.host_gb,
        detectors=worker.detectors,
        log_level=settings.log_level,
    )


def _stop_signal(exit_within_s: int) -> asyncio.Event:
    stop = asyncio.Event()

    def heard() -> None:
        stop.set()
        signal.alarm(exit_within_s)  # 0: none

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, heard)
    return stop
