"""Real servers and real processes for a bench, and what processor time they took."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil
from pydantic import SecretStr

from farm.embedded import EmbeddedServers
from migrations.run import upgrade
from shared.config import ROOT, DatabaseSettings, RedisSettings, Settings, StorageSettings
from shared.connections import Database
from shared.leadership import is_led
from shared.workers import live_workers

START_S, STOP_S = 30.0, 30.0


def headline(*, n: int, seed: int) -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"n {n}, seed {seed}, {os.cpu_count()} cores, load {load}"


@contextmanager
def served() -> Iterator[tuple[EmbeddedServers, Settings]]:
    """A Postgres that keeps what it commits, a Redis, and the settings that lead to both."""
    with (
        tempfile.TemporaryDirectory(prefix="pictor-bench-") as folder,
        EmbeddedServers(Path(folder)) as servers,
    ):
        upgrade(servers.database_url)
        yield (
            servers,
            Settings(
                _env_file=None,  # type: ignore[call-arg]
                database=DatabaseSettings(url=SecretStr(servers.database_url)),
                redis=RedisSettings(url=SecretStr(servers.redis_url)),
                storage=StorageSettings(folder=Path(folder) / "assets"),
            ),
        )


def environment(settings: Settings, **more: str) -> dict[str, str]:
    assert settings.database.url
    assert settings.redis.url
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    return bare | {
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
        "PICTOR_STORAGE__FOLDER": str(settings.storage.folder),
        "PICTOR_WORKER__SNAPSHOTS": str(settings.storage.folder.with_name("snapshots")),
        "PICTOR_PROVENANCE__ENABLED": "false",  # plain arq marks and signs nothing
        "PICTOR_LOG_LEVEL": "WARNING",
        **more,
    }


async def start(*arguments: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """`python -m ...` of this tree."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=ROOT, env=environment
    )


@asynccontextmanager
async def running(
    *arguments: str, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(*arguments, environment=environment)
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await asyncio.wait_for(process.wait(), STOP_S)


async def led(database: Database) -> None:
    """Returns when a dispatcher leads."""
    async with asyncio.timeout(START_S):
        while True:
            async with database.read() as session:
                if await is_led(session):
                    return
            await asyncio.sleep(0.02)


async def manned(database: Database, names: Iterable[str]) -> None:
    """Returns when all these workers take jobs."""
    wanted = set(names)
    async with asyncio.timeout(START_S):
        while True:
            async with database.read() as session:
                rows = await live_workers(session, silent_s=10.0)
            if wanted <= {row.name for row in rows if not row.draining}:
                return
            await asyncio.sleep(0.02)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that these processes and their children of now have used so far."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    total += times.user + times.system
    return total
