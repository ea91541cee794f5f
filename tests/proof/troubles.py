"""The outages, each for as long as its block lasts. Nobody who depends on the neighbour is told."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from tests.proof.neighbours import DATABASE, Neighbours

Trouble = Callable[[Neighbours], AbstractAsyncContextManager[None]]
SLOW_S = 0.3  # of each chunk on its way to or from the store
FILL_EVERY_S = 0.2
ENOUGH_BYTES = 1
OURS = f"datname = '{DATABASE}' and pid <> pg_backend_pid()"


@asynccontextmanager
async def redis_down(near: Neighbours) -> AsyncIterator[None]:
    await near.redis.stop()
    yield
    await near.redis.start()


@asynccontextmanager
async def redis_stopped(near: Neighbours) -> AsyncIterator[None]:
    near.redis.send(signal.SIGSTOP)
    yield
    near.redis.send(signal.SIGCONT)


@asynccontextmanager
async def redis_full(near: Neighbours) -> AsyncIterator[None]:
    """It reads, and says "OOM command not allowed" to every write."""
    async with near.ask_redis() as redis:
        await redis.config_set("maxmemory", ENOUGH_BYTES)
        yield
        await redis.config_set("maxmemory", 0)


@asynccontextmanager
async def redis_wiped(near: Neighbours) -> AsyncIterator[None]:
    async with near.ask_redis() as redis:
        for _ in range(5):
            await redis.flushall()
            await asyncio.sleep(0.1)
        yield
        await redis.flushall()


@asynccontextmanager
async def postgres_down(near: Neighbours) -> AsyncIterator[None]:
    await near.postgres.stop()
    yield
    await near.postgres.start()


@asynccontextmanager
async def postgres_stopped(near: Neighbours) -> AsyncIterator[None]:
    near.postgres.send(signal.SIGSTOP)
    yield
    near.postgres.send(signal.SIGCONT)


@asynccontextmanager
async def postgres_without_connections(near: Neighbours) -> AsyncIterator[None]:
    """Somebody else takes every connection there is, and those that ours had."""
    taken: list[asyncpg.Connection] = []
    admin = await near.admin()

    async def take_all() -> None:
        while True:
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                while True:
                    taken.append(await near.admin())
            mine = ",".join(str(one.get_server_pid()) for one in taken) or "0"
            await admin.execute(
                f"select pg_terminate_backend(pid) from pg_stat_activity"
                f" where {OURS} and pid not in ({mine})"
            )
            await asyncio.sleep(FILL_EVERY_S)

    taking = asyncio.create_task(take_all())
    yield
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    await asyncio.gather(*(one.close() for one in (admin, *taken)))


@asynccontextmanager
async def postgres_read_only(near: Neighbours) -> AsyncIterator[None]:
    await near.ask_postgres("alter system set default_transaction_read_only = on")
    await near.ask_postgres("select pg_reload_conf()")
    yield
    await near.ask_postgres("alter system reset default_transaction_read_only")
    await near.ask_postgres("select pg_reload_conf()")


@asynccontextmanager
async def store_down(near: Neighbours) -> AsyncIterator[None]:
    near.store.cut()
    yield
    near.store.mend()


@asynccontextmanager
async def store_stopped(near: Neighbours) -> AsyncIterator[None]:
    near.store.freeze()
    yield
    near.store.mend()


@asynccontextmanager
async def store_slow(near: Neighbours) -> AsyncIterator[None]:
    near.store.pause_s = SLOW_S
    yield
    near.store.mend()


@asynccontextmanager
async def discord_down(near: Neighbours) -> AsyncIterator[None]:
    near.discord.cut()
    yield
    near.discord.mend()


ALL: tuple[Trouble, ...] = (
    redis_down,
    redis_stopped,
    redis_full,
    redis_wiped,
    postgres_down,
    postgres_stopped,
    postgres_without_connections,
    postgres_read_only,
    store_down,
    store_stopped,
    store_slow,
    discord_down,
)
TELLING = (redis_down, postgres_stopped, postgres_without_connections, store_down)
