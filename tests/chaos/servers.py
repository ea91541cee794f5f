"""A durable Postgres and a Redis that may be killed and come back under the same address."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from farm.embedded import Server, postgres_server, redis_server
from migrations.run import upgrade
from shared.errors import Fault

DATABASE = "chaos"
TRIES, TRY_AGAIN_S = 40, 0.25


class Servers:
    """`folder/postgres` and `folder/redis` are links to where the sockets lie this time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._postgres: Server | None = None
        self._redis: Server | None = None

    async def start(self) -> None:
        await self._start_postgres()
        await self._start_redis()
        admin = await asyncpg.connect(host=str(self.folder / "postgres"), user="postgres")
        await admin.execute(f"create database {DATABASE}")
        await admin.close()
        await asyncio.to_thread(upgrade, self.database_url())

    def database_url(self, line: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@/{DATABASE}?host={self.folder / line}"

    def redis_url(self, line: str = "redis") -> str:
        return f"unix://{self.folder / line / 'redis.sock'}"

    @property
    def postgres_pid(self) -> int | None:
        return self._postgres.pid if self._postgres else None

    @property
    def redis_pid(self) -> int | None:
        return self._redis.pid if self._redis else None

    async def kill_postgres(self, *, away_s: float) -> None:
        """As a crash of the machine's memory would: nothing is written out, nobody is told."""
        assert self._postgres is not None
        os.kill(self._postgres.pid, signal.SIGKILL)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(self._postgres.stop)
        await self._start_postgres()

    async def kill_redis(self, *, away_s: float) -> None:
        assert self._redis is not None
        os.kill(self._redis.pid, signal.SIGKILL)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(self._redis.stop)
        await self._start_redis()

    async def flush_redis(self) -> None:
        client: Redis = Redis.from_url(self.redis_url())
        await client.flushall()
        await client.aclose()

    async def stop(self) -> None:
        for server in (self._redis, self._postgres):
            if server is not None:
                await asyncio.to_thread(server.stop)

    async def _start_postgres(self) -> None:
        folder = self.folder / "cluster"
        self._postgres = await self._persistently(lambda: postgres_server(folder))
        self._link("postgres", self._postgres)

    async def _start_redis(self) -> None:
        folder = self.folder / "redisdata"
        self._redis = await self._persistently(lambda: redis_server(folder))
        self._link("redis", self._redis)

    async def _persistently(self, start: Callable[[], Server]) -> Server:
        """The orphans of a killed Postgres hold its memory for a moment."""
        for _ in range(TRIES):
            try:
                return await asyncio.to_thread(start)
            except Fault:
                await asyncio.sleep(TRY_AGAIN_S)
        return await asyncio.to_thread(start)

    def _link(self, name: str, server: Server) -> None:
        draft = self.folder / f"{name}.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(server.sockets)
        draft.replace(self.folder / name)
