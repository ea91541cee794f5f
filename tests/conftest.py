"""Real servers for every test: one Postgres and one Redis a run, a fresh migrated database a test."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from farm.embedded import EmbeddedServers
from migrations.run import upgrade
from shared.config import (
    DatabaseSettings,
    ProvenanceSettings,
    RedisSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from shared.connections import Database

# torch's threads wait for each other: on a machine with a busy neighbour two are far slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
TEMPLATE = "pictor_template"


@dataclass
class TestServers:
    """The servers of this run and one connection that makes and drops databases."""

    __test__ = False

    servers: EmbeddedServers
    runner: asyncio.Runner
    admin: AsyncConnection
    numbers: Iterator[int]

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def execute(self, statement: str) -> None:
        self.run(self.admin.execute(text(statement)))

    def url(self, database: str) -> str:
        return self.servers.database_url.replace("/postgres?", f"/{database}?")


def fast_folder() -> str | None:
    """Memory if there is enough: a new database is 300 files, which a disk takes 30 times longer for."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        return str(memory) if shutil.disk_usage(memory).free > 2**30 else None
    return None


@pytest.fixture
def fast_path() -> Iterator[Path]:
    """As tmp_path, in memory where there is enough: for a test that starts a Postgres of its own."""
    with tempfile.TemporaryDirectory(
        prefix="pictor-tests-", dir=fast_folder(), ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def servers() -> Iterator[TestServers]:
    with (
        tempfile.TemporaryDirectory(
            prefix="pictor-tests-", dir=fast_folder(), ignore_cleanup_errors=True
        ) as folder,
        EmbeddedServers(Path(folder), durable=False) as embedded,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        engine = create_async_engine(embedded.database_url, isolation_level="AUTOCOMMIT")
        admin = runner.run(_connected(engine))
        made = TestServers(embedded, runner, admin, count(1))
        made.execute(f"create database {TEMPLATE}")
        upgrade(made.url(TEMPLATE))
        yield made
        runner.run(_closed(admin))


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


async def _closed(connection: AsyncConnection) -> None:
    await connection.close()
    await connection.engine.dispose()


@pytest.fixture
def database_url(servers: TestServers) -> Iterator[str]:
    """A migrated database of the test's own, gone after it."""
    name = f"test_{next(servers.numbers)}"
    # Its files are copied: half the time of writing their pages to the log, which nobody replays.
    servers.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    yield servers.url(name)
    servers.execute(f"drop database {name} with (force)")


@pytest.fixture
def empty_database_url(servers: TestServers) -> Iterator[str]:
    """A database without a single table."""
    name = f"test_{next(servers.numbers)}"
    servers.execute(f"create database {name}")
    yield servers.url(name)
    servers.execute(f"drop database {name} with (force)")


@pytest.fixture
def redis_url(servers: TestServers) -> str:
    """The run's Redis, emptied for this test."""
    with redis.Redis.from_url(servers.servers.redis_url) as client:
        client.flushall()
    return servers.servers.redis_url


@pytest.fixture
def settings(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """What a process of ours would run with, whatever the machine's own environment says. Pictures are
    neither marked nor signed, so that their pixels can be compared: tests/farm/safety has those that are."""
    for name in [name for name in os.environ if name.startswith("PICTOR_")]:
        monkeypatch.delenv(name)
    options: dict[str, Any] = {"_env_file": None}
    return Settings(
        **options,
        database=DatabaseSettings(url=SecretStr(database_url)),
        redis=RedisSettings(url=SecretStr(redis_url)),
        storage=StorageSettings(folder=tmp_path / "assets"),
        worker=WorkerSettings(snapshots=tmp_path / "snapshots", loras=tmp_path / "loras"),
        provenance=ProvenanceSettings(enabled=False, keys=tmp_path / "keys"),
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = Database.connect(settings.database)
    yield opened
    await opened.close()
