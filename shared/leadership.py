"""One leader among all dispatchers of a database: a Postgres advisory lock on a connection of its own.

The lock lives as long as the connection, so a leader that dies or is cut off has lost it by itself.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.config import DatabaseSettings
from shared.connections import Session, database_url

DISPATCHER_LOCK = 0x50_49_43_54  # "PICT": any number, the same for every dispatcher
ANSWER_WITHIN_S = 2.0
# A leader asks something each second. One that is frozen or cut off without a word is put out by
# Postgres itself, however long its socket seems to live.
SILENT_FOR_MS = 3_000
# A host that died without a word is found so; one that is only frozen still answers these.
KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
AWAY_S = 3.0  # without an answer: Postgres was away, and not only from us

_HELD = text(
    "select exists (select from pg_locks where locktype = 'advisory' and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    " and classid = 0 and objid = :lock)"
)


async def is_led(session: Session) -> bool:
    """Whether any dispatcher leads this database: a health check's question."""
    return bool(await session.scalar(_HELD, {"lock": DISPATCHER_LOCK}))


class Leadership:
    """`await won()` until True, then `await lost()`; `close()` hands the lock on."""

    def __init__(
        self, settings: DatabaseSettings, *, lock: int = DISPATCHER_LOCK, patient: bool = False
    ) -> None:
        """`patient`: however long its owner is frozen, the lock goes only with its connection."""
        self._lock = lock
        self.taken = False  # another had it when we last asked
        self._engine = create_async_engine(
            database_url(settings),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "timeout": ANSWER_WITHIN_S,
                "command_timeout": ANSWER_WITHIN_S,
                "server_settings": {
                    "application_name": "pictor leadership",
                    **(KEEPALIVE if patient else {"idle_session_timeout": str(SILENT_FOR_MS)}),
                },
            },
        )
        self._connection: AsyncConnection | None = None
        self._raw: Any = None  # asyncpg's own
        self._cut = asyncio.Event()
        self._heard_at = time.monotonic()
        self._back_at = float("-inf")

    @property
    def back_for_s(self) -> float:
        """How long ago Postgres came back; infinite if it was never away from us."""
        return time.monotonic() - self._back_at

    async def won(self) -> bool:
        """One try. False while another leads, and while the database cannot be reached."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            won = await self._connection.scalar(select(func.pg_try_advisory_lock(self._lock)))
            self._heard()
            self.taken = not won
            return bool(won)
        except (DBAPIError, OSError):
            self.taken = False
            await self.close()
            return False

    async def lost(self, *, look_every_s: float = 1.0) -> None:
        """Returns when the connection is gone: told at once, or found by a question unanswered."""
        answers = True
        while answers and not self._cut.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(look_every_s):
                    await self._cut.wait()
            answers = await self._answers()
        await self.close()  # SQLAlchemy would not let us ask over it again

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        raw, self._raw = self._raw, None
        if connection is not None:
            with suppress(DBAPIError, OSError):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await connection.close()
        if raw is not None and not raw.is_closed():  # a frozen server does not answer to a farewell
            raw.terminate()

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        self._cut.clear()
        raw = await connection.get_raw_connection()
        self._raw = raw.driver_connection
        self._raw.add_termination_listener(self._was_cut)
        return connection

    def _heard(self) -> None:
        now = time.monotonic()
        if now - self._heard_at > AWAY_S:
            self._back_at = now
        self._heard_at = now

    def _was_cut(self, _: Any) -> None:
        self._cut.set()

    async def _answers(self) -> bool:
        try:
            if self._connection is None:
                return False
            await self._connection.scalar(select(1))
            self._heard()
        except (DBAPIError, OSError):
            return False
        return True
