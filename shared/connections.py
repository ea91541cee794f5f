"""Postgres transactions and the Redis client, with a time limit on everything that leaves the process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from time import monotonic
from typing import Any
from weakref import WeakSet

import msgspec
from redis.asyncio import Redis
from sqlalchemy import event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from shared.config import DatabaseSettings, RedisSettings
from shared.errors import Fault

Session = AsyncConnection  # what a function of the stores takes: one open transaction

# Whoever asks us has three seconds himself (Discord), and a connection takes milliseconds.
CONNECT_TIMEOUT_S, POOL_TIMEOUT_S, PROBE_TIMEOUT_S = 2.5, 2.0, 1.0
CLOSE_TIMEOUT_S = 2.0
IDLE_IN_TRANSACTION_MS = 10_000
ASK_AFTER_S = 30.0  # a connection that was idle for so long may be cut without our knowing
HEALTH_CHECK_S = 15
REDIS_CONNECTIONS = 64


class Database:
    """A pool. `async with database.begin() as session` is one transaction: committed, or nothing of it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._opened: WeakSet[Any] = WeakSet()
        event.listen(engine.sync_engine, "connect", self._remember)
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._parting: set[asyncio.Task[None]] = set()

    @classmethod
    def connect(cls, settings: DatabaseSettings, *, ask_after_s: float = ASK_AFTER_S) -> "Database":
        """Opens nothing yet. A Fault when no URL is set. What was idle for `ask_after_s` is asked
        whether it lives: 0 where people wait, for else a server that is frozen holds them for 8 s."""
        engine = create_async_engine(
            database_url(settings),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_size,
            pool_timeout=POOL_TIMEOUT_S,
            pool_use_lifo=True,  # few connections stay busy, with their statements prepared
            pool_recycle=1800,
            hide_parameters=True,
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
            connect_args=_connect_args(settings),
        )
        event.listen(engine.sync_engine, "checkout", _refuse_the_dead(ask_after_s))
        event.listen(engine.sync_engine, "checkin", _note_the_time)
        return cls(engine)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """Faults `database_down` and `database_busy` are retryable; broken constraints pass through."""
        with _faults():
            async with self._connected(self._engine) as session, session.begin():
                yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Several statements that see one moment. A write in it is an error."""
        with _faults():
            async with self._connected(self._reading) as session, session.begin():
                yield session

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Session]:
        """For exactly one statement: a transaction by itself, without the round trips of one. Each
        further statement would be another transaction."""
        with _faults():
            async with self._connected(self._single) as session:
                yield session

    async def now(self) -> datetime:
        """The only clock that decides anything."""
        async with self.single() as session:
            moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return moment

    async def ping(self) -> None:
        async with self.single() as session:
            await session.execute(select(1))

    async def close(self) -> None:
        """Whatever hangs: who closes is about to leave."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.gather(*self._parting, return_exceptions=True)
                await self._engine.dispose()
        for connection in list(self._opened):
            if not connection.is_closed():  # a frozen server does not answer to a farewell
                connection.terminate()

    def _remember(self, adapted: Any, _: Any) -> None:
        self._opened.add(adapted.driver_connection)

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        connection = await self._connection(engine)
        try:
            yield connection
        finally:
            # As SQLAlchemy itself does: who is cancelled here must not leave it half closed.
            await asyncio.shield(asyncio.create_task(connection.close()))

    async def _connection(self, engine: AsyncEngine) -> AsyncConnection:
        """In time, whatever the pool, the probe or the handshake waits for. To part in order from a
        server that is frozen takes seconds more, which nobody need wait for."""
        asking = asyncio.ensure_future(engine.connect().start())
        try:
            await asyncio.wait({asking}, timeout=CONNECT_TIMEOUT_S)
        except asyncio.CancelledError:
            self._part(asking)
            raise
        if not asking.done():
            self._part(asking)
            raise TimeoutError
        return asking.result()

    def _part(self, asking: "asyncio.Future[AsyncConnection]") -> None:
        parting = asyncio.create_task(_closed(asking))
        self._parting.add(parting)
        parting.add_done_callback(self._parting.discard)


async def _closed(asking: "asyncio.Future[AsyncConnection]") -> None:
    """It may have come after all."""
    asking.cancel()
    with suppress(asyncio.CancelledError, DBAPIError, OSError):
        await (await asking).close()


def database_url(settings: DatabaseSettings) -> str:
    """The URL with our driver, whatever driver it names. Holds the password: never log it."""
    if settings.url is None:
        raise Fault("no_database", "No database is configured. Set PICTOR_DATABASE__URL.")
    url = make_url(settings.url.get_secret_value()).set(drivername="postgresql+asyncpg")
    return url.render_as_string(hide_password=False)


def connect_redis(settings: RedisSettings) -> "Redis":
    """Opens nothing yet. A Fault when no URL is set."""
    url = redis_url(settings)
    client: Redis = Redis.from_url(url, **redis_options(url, settings))
    return client


def redis_url(settings: RedisSettings) -> str:
    """Holds the password: never log it."""
    if settings.url is None:
        raise Fault("no_redis", "No Redis is configured. Set PICTOR_REDIS__URL.")
    return settings.url.get_secret_value()


def redis_options(url: str, settings: RedisSettings) -> dict[str, Any]:
    """Without time limits a half-open connection would hold its caller for ever."""
    options: dict[str, Any] = {
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.socket_timeout_s,
        "health_check_interval": HEALTH_CHECK_S,
        "max_connections": REDIS_CONNECTIONS,
    }
    return options if url.startswith("unix:") else options | {"socket_keepalive": True}


def _connect_args(settings: DatabaseSettings) -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT_S,
        # A little more than the server's own limit, for the server that no longer answers.
        "command_timeout": settings.statement_timeout_ms / 1000 + 1,
        "server_settings": {
            "application_name": "pictor",
            "statement_timeout": str(settings.statement_timeout_ms),
            "lock_timeout": str(settings.lock_timeout_ms),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            "timezone": "UTC",
            "jit": "off",
        },
    }


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _refuse_the_dead(ask_after_s: float) -> Callable[[Any, Any, Any], None]:
    """The pool then opens another. What the server has closed is known here without asking it; a
    question before every use would cost three round trips."""

    def checkout(connection: Any, record: Any, _: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError
        if monotonic() - record.info.get("used_at", monotonic()) > ask_after_s:
            _probe(connection.driver_connection)

    return checkout


def _probe(connection: Any) -> None:
    """One that does not answer is dropped without a word: it would not answer that either."""
    try:
        await_only(connection.execute("select 1", timeout=PROBE_TIMEOUT_S))
    except Exception as error:
        connection.terminate()
        raise DisconnectionError from error


def _note_the_time(_: Any, record: Any) -> None:
    record.info["used_at"] = monotonic()


@contextmanager
def _faults() -> Iterator[None]:
    """Translates what the driver says, once. What is a mistake of ours in SQL stays what it is."""
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError):
        raise
    except DBAPIError as error:
        raise (_busy() if _is_busy(error) else _down()) from error
    except PoolTimeout as error:
        raise _busy() from error
    except OSError as error:  # also TimeoutError, and what connecting raises
        raise _down() from error


# Query cancelled, lock not available, deadlock, serialisation, too many connections.
_BUSY_STATES = frozenset({"57014", "55P03", "40P01", "40001", "53300"})


def _is_busy(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _BUSY_STATES


def _busy() -> Fault:
    return Fault(
        "database_busy",
        "Pictor's database is busy. Nothing was charged; please try again in a moment.",
        retryable=True,
    )


def _down() -> Fault:
    return Fault(
        "database_down",
        "Pictor's database cannot be reached. Nothing was charged; please try again in a minute.",
        retryable=True,
    )
