"""One leader among all dispatchers of a database: a Postgres advisory lock on a connection of its own.

The lock lives as long as the connection, so a leader that dies or is cut off has lost it by itself.
"""

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from shared.config import DatabaseSettings
from shared.connections import Session, database_url

DISPATCHER_LOCK = 0x50_49_43_54  # "PICT": any number, the same for every dispatcher
ANSWER_WITHIN_S = 1.0


_HELD = text(
    "select exists (select from pg_locks where locktype = 'advisory' and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    " and classid = 0 and objid = :lock)"
)


async def leader_is_up(session: Session) -> bool:
    """Whether some dispatcher leads this database, for health checks."""
    return bool(await session.scalar(_HELD, {"lock": DISPATCHER_LOCK}))


class Leadership:
    """`await won()` until True, then `await lost()`; `close()` hands the lock on."""

    def __init__(self, settings: DatabaseSettings, *, lock: int = DISPATCHER_LOCK) -> None:
        self._lock = lock
        self._engine = create_async_engine(
            database_url(settings),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "timeout": ANSWER_WITHIN_S,
                "command_timeout": ANSWER_WITHIN_S,
                "server_settings": {"application_name": "pictor leadership"},
            },
        )
        self._connection: AsyncConnection | None = None
        self._cut = asyncio.Event()

    async def won(self) -> bool:
        """One try. False while another leads, and while the database cannot be reached."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            return bool(
                await self._connection.scalar(select(func.pg_try_advisory_lock(self._lock)))
            )
        except (DBAPIError, OSError):
            await self.close()
            return False

    async def lost(self, *, look_every_s: float = 1.0) -> None:
        """Returns when the connection is gone: told at once, or found by a question unanswered."""
        while not self._cut.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_every_s):
                    await self._cut.wait()
            if not await self._answers():
                return

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError, OSError):
                await connection.close()

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        self._cut.clear()
        raw = await connection.get_raw_connection()
        raw.driver_connection.add_termination_listener(self._was_cut)  # type: ignore[union-attr]
        return connection

    def _was_cut(self, _: Any) -> None:
        self._cut.set()

    async def _answers(self) -> bool:
        try:
            if self._connection is None:
                return False
            await self._connection.scalar(select(1))
        except (DBAPIError, OSError):
            return False
        return True


async def is_led(session: AsyncSession) -> bool:
    """Whether any dispatcher holds the lock: a health check's question."""
    held = await session.scalar(
        text("select exists (select from pg_locks where locktype = 'advisory' and objid = :lock)"),
        {"lock": DISPATCHER_LOCK},
    )
    return bool(held)
