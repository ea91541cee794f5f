"""Brings a database to a revision, from code: `upgrade(url)` and `downgrade(url, "base")`. Blocking."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Alembic keeps its context in globals; between processes env.py's lock in the database does the same.
_one_at_a_time = threading.Lock()


def upgrade(url: str, revision: str = "head") -> None:
    _run(url, lambda connection: command.upgrade(_config(connection), revision))


def downgrade(url: str, revision: str = "base") -> None:
    _run(url, lambda connection: command.downgrade(_config(connection), revision))


def current(url: str) -> str | None:
    """The revision that the database is at, None before the first."""
    found: list[str | None] = []
    _run(url, lambda c: found.append(MigrationContext.configure(c).get_current_revision()))
    return found[0]


def newest() -> str | None:
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _run(url: str, change: Callable[[Connection], None]) -> None:
    # A loop of its own, so that a thread of any program may call this.
    with _one_at_a_time, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_connect_and_run(url, change))


async def _connect_and_run(url: str, change: Callable[[Connection], None]) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(change)
    await engine.dispose()
