"""A whole farm in one process, and a server beneath it that is frozen: nobody ends, all goes on."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from farm import dispatcher as dispatcher_module
from farm import worker as worker_module
from farm.api.app import create_app
from farm.api.services import opened
from farm.dispatcher import run_dispatcher
from farm.engine.messages import Drain, Drop, Render
from farm.worker import run_worker
from shared.config import ROOT, Settings
from shared.connections import Database
from shared.jobs import Job, JobState
from shared.workers import live_workers
from tests.conftest import TestServers
from tests.farm.workshop import ScriptedEngine, Workshop, rendered
from tests.freezing import frozen

BACK_WITHIN_S = 15.0
FROZEN_S = 6.0  # longer than every connection's patience
SERVERS = ["postgres", "redis"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (worker_module, dispatcher_module):
        monkeypatch.setattr(module, "configure_logging", lambda _: None)


async def an_engine(options: object) -> ScriptedEngine:
    engine = ScriptedEngine()

    def script(message: Any) -> Any:
        if isinstance(message, Drain):
            engine.die()
        return [rendered(message)] if isinstance(message, Render) else []

    engine.script = script
    return engine


@asynccontextmanager
async def farming(
    settings: Settings, start: Any = an_engine
) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """Each part stops at the signal alone: whichever ends before has died of the outage."""
    parts = [
        asyncio.create_task(run_worker(settings, start=start)),
        asyncio.create_task(run_dispatcher(settings)),
    ]
    try:
        yield parts
        assert not any(part.done() for part in parts)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.wait(parts, timeout=20)


async def drawn(workshop: Workshop, job: Job) -> float:
    """Seconds until it is there."""
    began = time.monotonic()
    async with asyncio.timeout(2 * BACK_WITHIN_S):
        while (await workshop.row(job.id)).state is not JobState.SUCCEEDED:
            await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("name", SERVERS)
async def test_a_farm_outlives_a_frozen_server(
    servers: TestServers, settings: Settings, database: Database, name: str
) -> None:
    workshop = await Workshop.open(database)
    async with farming(settings):
        await drawn(workshop, await workshop.waiting())
        with frozen(getattr(servers.servers, name).pid):
            await asyncio.sleep(FROZEN_S)
        assert await drawn(workshop, await workshop.waiting()) < BACK_WITHIN_S
    assert await workshop.books_balance()


@pytest.mark.parametrize("name", SERVERS)
async def test_a_farm_that_starts_before_its_servers_waits_for_them(
    servers: TestServers, settings: Settings, database: Database, name: str
) -> None:
    workshop = await Workshop.open(database)
    job = await workshop.waiting()
    server = getattr(servers.servers, name)
    with frozen(server.pid):
        async with asyncio.timeout(30):
            farm = farming(settings)
            await farm.__aenter__()
            await asyncio.sleep(FROZEN_S)
    try:
        assert await drawn(workshop, job) < BACK_WITHIN_S
    finally:
        await farm.__aexit__(None, None, None)


@pytest.mark.parametrize("name", SERVERS)
async def test_the_origin_says_which_server_is_away(
    servers: TestServers, settings: Settings, name: str
) -> None:
    async with (
        opened(settings) as services,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(services)), base_url="http://origin"
        ) as client,
    ):
        with frozen(getattr(servers.servers, name).pid):
            began = time.monotonic()
            answer = await client.get("/healthz")
            assert time.monotonic() - began < 10.0
        assert (answer.status_code, answer.json()[name]) == (503, "down")
        assert (await client.get("/healthz")).status_code == 200


async def test_a_worker_leaves_in_time_though_postgres_is_frozen(
    servers: TestServers, settings: Settings, database: Database
) -> None:
    workshop = await Workshop.open(database)
    worker = asyncio.create_task(run_worker(settings, start=an_engine))
    job = await workshop.dispatched()
    await drawn(workshop, job)
    with frozen(servers.servers.postgres.pid):
        began = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await worker
        assert time.monotonic() - began < 25.0


HUNG = """
import asyncio, time
from farm.worker import run_worker
from shared.config import ROOT, Settings
from tests.farm.workshop import ScriptedEngine

async def start(options):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 120)  # a thread in a dead disk
    return ScriptedEngine()  # deaf to Drain

asyncio.run(run_worker(Settings(), start=start, exit_within_s=4))
"""


async def test_a_worker_ends_itself_whatever_hangs(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """The child does not drain, and a thread never returns: still no later than it promised."""
    assert settings.database.url is not None
    assert settings.redis.url is not None
    environment = {
        "PYTHONPATH": str(ROOT),
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
        "PICTOR_PROVENANCE__ENABLED": "false",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HUNG, env=os.environ | environment, cwd=tmp_path
    )
    try:
        async with asyncio.timeout(60):
            while not await known(database):
                await asyncio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert await process.wait() in (0, -signal.SIGALRM)
        assert time.monotonic() - began < 8.0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def known(database: Database) -> bool:
    async with database.read() as session:
        return bool(await live_workers(session, 60.0))


async def test_an_outage_longer_than_every_lease_counts_nobody_a_crash(
    servers: TestServers, settings: Settings, database: Database
) -> None:
    """The worker stops by its own clock, and says so before the rescuer may judge. As in production
    a lease is longer than a statement can be on its way: what was asked before the outage is no
    judgement after it."""
    worker = settings.worker.model_copy(update={"lease_s": 4.0, "heartbeat_s": 0.5})
    quick = settings.database.model_copy(update={"statement_timeout_ms": 500})
    settings = settings.model_copy(update={"worker": worker, "database": quick})
    engines: list[ScriptedEngine] = []

    async def start(options: object) -> ScriptedEngine:
        engines.append(ScriptedEngine())
        return engines[-1]

    workshop = await Workshop.open(database)
    async with farming(settings, start):
        job = await workshop.waiting()
        await until_sent(engines, Render)
        with frozen(servers.servers.postgres.pid):
            await until_sent(engines, Drop)  # while nobody can be asked
            await asyncio.sleep(1.0)
        async with asyncio.timeout(BACK_WITHIN_S):
            while (row := await workshop.row(job.id)).attempt < 2:
                await asyncio.sleep(0.05)
        assert row.crashes == 0


async def until_sent(engines: list[ScriptedEngine], kind: type) -> None:
    async with asyncio.timeout(10):
        while not any(isinstance(message, kind) for one in engines for message in one.sent):
            await asyncio.sleep(0.02)
