"""The worker's parent with its loops running: real Postgres, real Redis, an engine with a script."""

import asyncio
import contextlib
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from farm import ownership
from farm import worker as worker_module
from farm.engine.client import EngineClient, EngineOptions
from farm.engine.messages import Drain, Drop, Expect, GivenBack, Render, ToChild, ToParent
from farm.worker import run_worker
from shared import jobstore, workers
from shared.bell import Bell, arq_pool, gpu_queue
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from tests.farm.engine.twin import broken_weights, catalog_with_twin
from tests.farm.workshop import SPEC, WORKER, Script, ScriptedEngine, Workshop, rendered, report


class Engines:
    """Every child that the worker started."""

    def __init__(self) -> None:
        self.born: list[ScriptedEngine] = []

    async def start(self, options: object) -> ScriptedEngine:
        engine = ScriptedEngine(lambda m: [rendered(m)] if isinstance(m, Render) else [])
        self.born.append(engine)
        return engine


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    engines = Engines()
    monkeypatch.setattr(EngineClient, "start", engines.start)
    # pytest's own handlers stay: ours would outlive the stream they write to.
    monkeypatch.setattr(worker_module, "configure_logging", lambda _: None)
    return engines


@pytest.fixture
async def workshop(database: Database) -> Workshop:
    return await Workshop.open(database)


@contextlib.asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker that has reported for duty; told to stop in the end."""
    task = asyncio.create_task(run_worker(settings))
    try:
        await reported(settings, task)
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait([task], timeout=20)
        assert task.done()


async def reported(settings: Settings, task: asyncio.Task[None]) -> None:
    database = Database.connect(settings.database)
    async with asyncio.timeout(10):
        while True:
            async with database.read() as session:
                if await workers.live_workers(session, 60) or task.done():
                    break
            await asyncio.sleep(0.02)
    await database.close()


async def ends(workshop: Workshop, job: Job, state: JobState, *, within_s: float = 10) -> Job:
    async with asyncio.timeout(within_s):
        while (row := await workshop.row(job.id)).state is not state:
            await asyncio.sleep(0.02)
    return row


async def test_a_ring_is_enough(
    settings: Settings, engines: Engines, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LOOK_EVERY_S", 3600)
    bell = Bell(settings.redis)
    async with working(settings):
        job = await workshop.dispatched()
        assert await bell.ring_worker(WORKER, job.id, job.attempt)
        await ends(workshop, job, JobState.SUCCEEDED)
        async with asyncio.timeout(5):
            while await bell.depth(gpu_queue(WORKER)):
                await asyncio.sleep(0.02)
    await bell.close()


async def test_what_the_queue_will_need_reaches_the_engine(
    settings: Settings, engines: Engines
) -> None:
    bell = Bell(settings.redis)
    async with working(settings):
        assert await bell.ring_expect(WORKER, ["sdxl", "postcards"])
        wish = await engines.born[0].heard(Expect)
        assert wish == Expect(["sdxl", "postcards"])
    await bell.close()


async def test_a_look_is_enough(settings: Settings, engines: Engines, workshop: Workshop) -> None:
    async with working(settings):
        job = await workshop.dispatched()
        await ends(workshop, job, JobState.SUCCEEDED)


async def test_redis_may_be_away_and_the_bell_is_heard_again(
    settings: Settings, engines: Engines, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = 3

    async def pool(redis: Any) -> Any:
        nonlocal broken
        broken -= 1
        if broken > 0:
            raise ConnectionError("Redis is away")
        return await arq_pool(redis)

    monkeypatch.setattr(worker_module, "arq_pool", pool)
    monkeypatch.setattr(worker_module, "FIRST_PAUSE_S", 0.05)
    async with working(settings):
        found = await workshop.dispatched()
        await ends(workshop, found, JobState.SUCCEEDED)
        monkeypatch.setattr(worker_module, "LOOK_EVERY_S", 3600)
        await asyncio.sleep(1.2)  # the look that was under way
        rung = await workshop.dispatched()
        bell = Bell(settings.redis)
        await bell.ring_worker(WORKER, rung.id, rung.attempt)
        await ends(workshop, rung, JobState.SUCCEEDED)
        await bell.close()


async def test_a_wiped_redis_does_not_stop_a_worker(
    settings: Settings, engines: Engines, workshop: Workshop
) -> None:
    redis: Redis = connect_redis(settings.redis)
    async with working(settings):
        await redis.flushall()
        await redis.client_kill_filter(_type="normal", skipme=True)
        job = await workshop.dispatched()
        await ends(workshop, job, JobState.SUCCEEDED)
    await redis.aclose()


async def test_hostile_rings_are_ignored(
    settings: Settings, engines: Engines, workshop: Workshop
) -> None:
    redis: Redis = connect_redis(settings.redis)
    async with working(settings):
        for number, payload in enumerate(
            (b"\x80\x04.", b"{}", b'{"f":"render","a":["x",1],"k":{},"t":null,"et":1}')
        ):
            await redis.set(f"arq:job:bad{number}", payload)
            await redis.zadd(gpu_queue(WORKER), {f"bad{number}": 1})
        await asyncio.sleep(0.3)
        job = await workshop.dispatched()
        await ends(workshop, job, JobState.SUCCEEDED)
    await redis.aclose()


async def test_a_cancel_event_stops_the_engine(
    settings: Settings, engines: Engines, workshop: Workshop
) -> None:
    redis: Redis = connect_redis(settings.redis)
    async with working(settings):
        engine = engines.born[0]
        engine.script = lambda _: ()
        job = await workshop.dispatched()
        await engine.heard(Render)
        async with workshop.database.begin() as session:
            assert await jobstore.cancelled(session, job.id, job.account_id)
        began = asyncio.get_running_loop().time()
        await Events(redis).publish(JobEvent(job.id, EventKind.STATE, state="cancelled"))
        await engine.heard(Drop)
        assert asyncio.get_running_loop().time() - began < settings.worker.heartbeat_s / 2
    await redis.aclose()


def ends_on_drain(engine: ScriptedEngine) -> Script:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Drain):
            engine.die()
        return ()

    return script


async def test_sigterm_drains_and_ends(
    settings: Settings, engines: Engines, workshop: Workshop
) -> None:
    async with working(settings) as task:
        engine = engines.born[0]
        engine.script = ends_on_drain(engine)
        job = await workshop.dispatched()
        await engine.heard(Render)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            await task
        row = await workshop.row(job.id)
        assert (row.state, row.crashes) == (JobState.WAITING, 0)
        async with workshop.database.read() as session:
            assert await workers.live_workers(session, 60) == []


async def test_two_workers_of_one_name_take_turns(
    settings: Settings, engines: Engines, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "ASK_EVERY_S", 0.05)
    second_stop = asyncio.Event()
    async with working(settings) as first:
        monkeypatch.setattr(worker_module, "_stop_signal", lambda _: second_stop)
        second = asyncio.create_task(run_worker(settings))
        await asyncio.sleep(0.5)
        assert len(engines.born) == 1
        os.kill(os.getpid(), signal.SIGTERM)
        await first
        await until(lambda: len(engines.born) == 2)
        job = await workshop.dispatched()
        await ends(workshop, job, JobState.SUCCEEDED)
        second_stop.set()
        async with asyncio.timeout(10):
            await second


async def test_a_child_that_cannot_run_here_ends_the_worker_in_words(
    settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unfit(ScriptedEngine):
        async def close(self) -> int:
            return 78

    async def start(options: object) -> ScriptedEngine:
        unfit = Unfit()
        unfit.die()
        return unfit

    monkeypatch.setattr(EngineClient, "start", start)
    with pytest.raises(Fault, match="cannot run here"):
        async with asyncio.timeout(10):
            await run_worker(settings)


def with_worker(settings: Settings, **changes: Any) -> Settings:
    worker = settings.worker.model_copy(update=changes)
    return settings.model_copy(update={"worker": worker})


async def test_the_child_is_told_what_the_operator_chose(
    settings: Settings, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Queue[list[str]]()

    async def start(options: EngineOptions) -> ScriptedEngine:
        told.put_nowait(options.arguments())
        return await engines.start(options)

    monkeypatch.setattr(EngineClient, "start", start)
    chosen = {
        "rows": 12,
        "vram_gb": 23.5,
        "host_gb": 64.0,
        "detectors": Path("/own/detectors.toml"),
    }
    running = asyncio.create_task(run_worker(with_worker(settings, **chosen)))
    arguments = await asyncio.wait_for(told.get(), timeout=10)
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert pairs["--detectors"] == "/own/detectors.toml"
    assert (pairs["--rows"], pairs["--vram-gb"], pairs["--host-gb"]) == ("12", "23.5", "64.0")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, timeout=10)


async def test_a_hash_list_that_cannot_be_read_ends_it_at_once(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(Fault, match=r"none\.csv cannot be read"):
        await run_worker(with_worker(settings, hashes=tmp_path / "none.csv"))


async def test_prometheus_reads_what_the_engine_reported(
    settings: Settings, engines: Engines
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    async with working(with_worker(settings, metrics_port=port)):
        engines.born[0].say(report(forwards=41))
        async with asyncio.timeout(10):
            while "pictor_engine_forwards_total 41.0" not in await asyncio.to_thread(page):
                await asyncio.sleep(0.02)


async def test_a_device_that_turned_out_sick_is_no_crash_of_its_jobs(
    settings: Settings, engines: Engines, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def code() -> int:
        return 78

    async with working(settings) as task:
        engine = engines.born[0]
        engine.script = lambda _: ()
        monkeypatch.setattr(engine, "close", code)
        said, silent = await workshop.dispatched(), await workshop.dispatched()
        await until(lambda: sum(isinstance(one, Render) for one in engine.sent) == 2)
        engine.say(GivenBack(str(said.id), said.attempt, 4))
        engine.die()
        with pytest.raises(Fault, match="cannot run here"):
            await asyncio.wait_for(task, timeout=20)
    for job in (said, silent):
        row = await workshop.row(job.id)
        assert (row.state, row.crashes) == (JobState.WAITING, 0)
    assert len(engines.born) == 1


async def test_a_device_that_breaks_every_picture_is_left_in_order(
    settings: Settings, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real child: what it broke is refunded, and what it still had is no crash."""
    monkeypatch.setattr(worker_module, "configure_logging", lambda _: None)
    settings = with_worker(settings, threads=1)
    assert "sailboat" in SPEC.texts[0].text
    catalog = catalog_with_twin(tmp_path, "broken", weights=broken_weights(tmp_path, "sailboat"))
    whole = await workshop.dispatched(steps=900, images=1, sampler="ddim")
    before = await workshop.balance()
    broken = [await workshop.dispatched(checkpoint="broken", steps=2, images=1) for _ in range(3)]
    with pytest.raises(Fault, match="cannot run here"):
        async with asyncio.timeout(120):
            await run_worker(settings.model_copy(update={"catalog_file": catalog}))
    for job in broken:
        row = await workshop.row(job.id)
        assert (row.state, row.error_code, row.crashes) == (JobState.FAILED, "not_finite", 0)
    row = await workshop.row(whole.id)
    assert (row.state, row.crashes) == (JobState.WAITING, 0)
    assert await workshop.balance() == before
    assert await workshop.books_balance()
    async with workshop.database.read() as session:
        assert await workers.live_workers(session, 60) == []


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
