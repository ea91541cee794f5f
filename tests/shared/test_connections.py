"""Time limits on everything, faults with a sentence, and no connection that leaks."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from farm.embedded import Server, postgres_server
from shared.config import DatabaseSettings, RedisSettings, Settings
from shared.connections import Database, connect_redis, database_url
from shared.errors import Fault

INSERT = "insert into accounts (discord_id, name) values ('1', 'ada')"


@pytest.fixture
async def own_postgres(fast_path: Path) -> AsyncIterator[Server]:
    """One that a test may freeze and stop."""
    server = await asyncio.to_thread(postgres_server, fast_path / "postgres", durable=False)
    yield server
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
    await asyncio.to_thread(server.stop)


def settings_for(url: str, **limits: Any) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(url), **limits)


async def count(database: Database) -> int:
    async with database.read() as session:
        found: int = (await session.execute(text("select count(*) from accounts"))).scalar_one()
    return found


async def test_a_transaction_is_kept_or_leaves_nothing(database: Database) -> None:
    async def change_our_mind() -> None:
        async with database.begin() as session:
            await session.execute(text(INSERT))
            raise ValueError("changed our mind")

    with pytest.raises(ValueError, match="changed our mind"):
        await change_our_mind()
    assert await count(database) == 0
    async with database.begin() as session:
        await session.execute(text(INSERT))
    assert await count(database) == 1


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(Fault):
        async with database.read() as session:
            await session.execute(text(INSERT))
    assert await count(database) == 0


async def test_constraints_pass_through_and_parameters_stay_hidden(database: Database) -> None:
    insert = text("insert into accounts (discord_id, name) values (:id, :name)")
    values = [{"id": "7", "name": "a secret name"}] * 2
    with pytest.raises(IntegrityError) as error:
        async with database.begin() as session:
            await session.execute(insert, values)
    assert "a secret name" not in str(error.value)


async def test_time_is_the_database_s(database: Database) -> None:
    first, second = await database.now(), await database.now()
    assert first < second
    assert first.utcoffset() is not None


async def test_the_limits_are_set_on_the_server(database: Database) -> None:
    async with database.begin() as session:
        for name, value in (
            ("statement_timeout", "5s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("TimeZone", "UTC"),
        ):
            assert (await session.execute(text(f"show {name}"))).scalar_one() == value


async def test_a_long_statement_and_a_long_lock_are_busy_faults(settings: Settings) -> None:
    url = database_url(settings.database)
    database = Database.connect(settings_for(url, statement_timeout_ms=300, lock_timeout_ms=100))
    with pytest.raises(Fault) as slow:
        async with database.begin() as session:
            await session.execute(text("select pg_sleep(5)"))
    async with database.begin() as holder:
        await holder.execute(text("lock table accounts"))
        with pytest.raises(Fault) as locked:
            async with database.begin() as session:
                await session.execute(text(INSERT))
    assert [slow.value.code, locked.value.code] == ["database_busy"] * 2
    assert slow.value.retryable
    await database.close()


async def test_a_full_pool_is_a_busy_fault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.connections.POOL_TIMEOUT_S", 0.2)
    database = Database.connect(settings_for(database_url(settings.database), pool_size=1))
    async with database.begin() as one, database.begin() as two:
        await one.execute(text("select 1"))
        await two.execute(text("select 1"))
        with pytest.raises(Fault) as full:
            await database.ping()
    assert full.value.code == "database_busy"
    await database.ping()
    await database.close()


async def test_nobody_there_is_a_down_fault(tmp_path: Path) -> None:
    urls = (f"postgresql://nobody@/x?host={tmp_path}", "postgresql://nobody@127.0.0.1:9/x")
    for url in urls:
        database = Database.connect(settings_for(url))
        with pytest.raises(Fault) as down:
            await database.ping()
        assert (down.value.code, down.value.retryable) == ("database_down", True)
        assert "Nothing was charged" in down.value.sentence
        await database.close()


async def test_a_restart_is_survived(own_postgres: Server) -> None:
    database = Database.connect(settings_for(own_postgres.url))
    await database.ping()
    with pytest.raises(Fault) as cut:
        async with database.begin() as session:
            await session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert cut.value.code == "database_down"
    await database.ping()
    await asyncio.to_thread(own_postgres.stop)
    with pytest.raises(Fault) as down:
        await database.ping()
    assert down.value.code == "database_down"
    await database.close()


async def pid(database: Database) -> int:
    async with database.single() as session:
        return int((await session.execute(text("select pg_backend_pid()"))).scalar_one())


async def test_an_idle_connection_that_was_cut_is_nobody_s_fault(own_postgres: Server) -> None:
    database, other = (Database.connect(settings_for(own_postgres.url)) for _ in range(2))
    first = await pid(database)
    assert await pid(database) == first
    async with other.begin() as session:
        await session.execute(text(f"select pg_terminate_backend({first})"))
    await asyncio.sleep(0.2)
    assert await pid(database) != first
    await database.close()
    await other.close()


async def test_a_connection_that_was_idle_for_long_is_asked_before_its_use(
    own_postgres: Server,
) -> None:
    """Cut without a word, as a firewall does: a proxy would tell of it no sooner."""
    settings = settings_for(own_postgres.url, statement_timeout_ms=300)
    database = Database.connect(settings, ask_after_s=0)
    first = await pid(database)
    os.kill(first, signal.SIGSTOP)
    assert await pid(database) != first
    os.kill(first, signal.SIGCONT)
    await database.close()


async def test_a_single_statement_is_kept_or_leaves_nothing(database: Database) -> None:
    twice = text(f"{INSERT}, ('1', 'eve')")
    with pytest.raises(IntegrityError):
        async with database.single() as session:
            await session.execute(twice)
    assert await count(database) == 0
    async with database.single() as session:
        await session.execute(text(INSERT))
    assert await count(database) == 1


async def test_a_single_statement_is_a_transaction_by_itself(database: Database) -> None:
    async with database.single() as session:
        await session.execute(text(INSERT))
        assert await count(database) == 1


async def test_each_way_in_leaves_the_connection_as_it_was(database: Database) -> None:
    show = text(
        "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    )

    async def seen(way: Any) -> Any:
        async with way() as session:
            return tuple((await session.execute(show)).one())

    for _ in range(2):
        assert await seen(database.begin) == ("read committed", "off")
        assert await seen(database.read) == ("repeatable read", "on")
        assert await seen(database.single) == ("read committed", "off")


async def test_a_frozen_postgres_holds_nobody_for_ten_seconds(
    own_postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.connections.CONNECT_TIMEOUT_S", 1.0)
    database = Database.connect(settings_for(own_postgres.url, statement_timeout_ms=300))
    async with database.begin() as session:
        await session.execute(text("select 1"))
        backend: int = (await session.execute(text("select pg_backend_pid()"))).scalar_one()
        os.kill(backend, signal.SIGSTOP)
        os.kill(own_postgres.pid, signal.SIGSTOP)
        await session.invalidate()
        await session.rollback()
    began = time.monotonic()
    with pytest.raises(Fault) as down:
        await database.ping()
    assert down.value.code == "database_down"
    assert time.monotonic() - began < 10
    os.kill(own_postgres.pid, signal.SIGCONT)
    os.kill(backend, signal.SIGCONT)
    await database.ping()
    await database.close()


async def test_a_statement_that_is_never_answered_holds_nobody(own_postgres: Server) -> None:
    database = Database.connect(settings_for(own_postgres.url, statement_timeout_ms=300))
    frozen: list[int] = []

    async def ask_and_freeze() -> None:
        async with database.begin() as session:
            frozen.append((await session.execute(text("select pg_backend_pid()"))).scalar_one())
            os.kill(frozen[0], signal.SIGSTOP)
            await session.execute(text("select 1"))

    began = time.monotonic()
    with pytest.raises(Fault) as down:
        await ask_and_freeze()
    os.kill(frozen[0], signal.SIGCONT)
    assert down.value.code == "database_down"
    assert time.monotonic() - began < 10
    await database.ping()
    await database.close()


async def test_a_cancelled_transaction_leaves_no_lock(database: Database) -> None:
    async def hold() -> None:
        async with database.begin() as session:
            await session.execute(text("lock table accounts"))
            holding.set()
            await session.execute(text("select pg_sleep(4)"))

    holding = asyncio.Event()
    task = asyncio.create_task(hold())
    await holding.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.begin() as session:
        await session.execute(text("set local lock_timeout = '1s'"))
        await session.execute(text(INSERT))


def test_no_url_is_a_fault_that_names_the_setting() -> None:
    for fails, name in (
        (lambda: Database.connect(DatabaseSettings()), "PICTOR_DATABASE__URL"),
        (lambda: connect_redis(RedisSettings()), "PICTOR_REDIS__URL"),
    ):
        with pytest.raises(Fault, match=name):
            fails()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_postgres_url_gets_our_driver(scheme: str) -> None:
    settings = settings_for(f"{scheme}://a:b@db:5432/pictor")
    assert database_url(settings) == "postgresql+asyncpg://a:b@db:5432/pictor"


async def test_redis_has_time_limits(settings: Settings) -> None:
    client = connect_redis(settings.redis)
    assert await client.ping()
    options = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] == settings.redis.socket_timeout_s
    assert options["socket_connect_timeout"] == settings.redis.socket_timeout_s
    assert options["health_check_interval"] > 0
    await client.aclose()


def test_a_tcp_redis_is_kept_alive() -> None:
    client = connect_redis(RedisSettings(url=SecretStr("redis://:secret@cache:6379/1")))
    assert client.connection_pool.connection_kwargs["socket_keepalive"] is True


async def test_who_is_cancelled_as_the_connection_comes_leaves_none_behind(
    settings: Settings,
) -> None:
    """With one connection in all, one that was lost would be missed at once."""
    single = settings_for(database_url(settings.database), pool_size=1)
    database = Database.connect(single)
    await database.ping()
    for turns in range(40):
        asking = asyncio.create_task(database.ping())
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    await database.close()
    assert database._engine.pool.checkedout() == 0  # type: ignore[attr-defined]
