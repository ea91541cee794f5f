"""All that the processes of a farm depend on, for tests that take it away: servers and lines of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import boto3
import psutil
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from redis.asyncio import Redis

from farm.embedded import Server, postgres_server, redis_server
from migrations.run import upgrade
from shared.config import DatabaseSettings, RedisSettings, Settings, StorageSettings
from tests.proof.line import Line, port_line

DATABASE, BUCKET = "outages", "pictures"
NAME, SECRET = "someone", "something"
# Whoever puts it right again must be able to write while nobody else is.
MAY_WRITE = {"default_transaction_read_only": "off"}


class Kept:
    """A server that comes back under the same address: a link to where its socket lies this time."""

    def __init__(self, place: Path, start: Callable[[], Server]) -> None:
        self.place, self._start = place, start
        self._server: Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.to_thread(self._start)
        self.place.unlink(missing_ok=True)
        self.place.symlink_to(self._server.sockets)

    async def stop(self) -> None:
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def send(self, number: int) -> None:
        """To the server and to everything that it has started."""
        assert self._server is not None
        for process in (self._pid(), *self._pid().children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _pid(self) -> psutil.Process:
        assert self._server is not None
        return psutil.Process(self._server.pid)


@dataclass
class Neighbours:
    postgres: Kept
    redis: Kept
    store: Line
    discord: Line
    discord_url: str  # past the line, for those who only watch
    settings: Settings  # of whoever goes over the lines

    async def ask_postgres(self, statement: str) -> None:
        connection = await self.admin()
        await connection.execute(statement)
        await connection.close()

    async def admin(self) -> Any:
        place = str(self.postgres.place)
        return await asyncpg.connect(
            host=place, user="postgres", database=DATABASE, server_settings=MAY_WRITE
        )

    @asynccontextmanager
    async def ask_redis(self) -> AsyncIterator["Redis"]:
        client: Redis = Redis.from_url(f"unix://{self.redis.place}/redis.sock")
        yield client
        await client.aclose()


@asynccontextmanager
async def neighbours(folder: Path, settings: Settings) -> AsyncIterator[Neighbours]:
    """The local Discord itself is a process for the caller to start, at `discord_url`."""
    postgres = Kept(folder / "pg", lambda: postgres_server(folder / "cluster"))
    redis = Kept(folder / "rd", lambda: redis_server(folder / "data"))
    async with contextlib.AsyncExitStack() as stack:
        for server in (postgres, redis):
            stack.push_async_callback(server.stop)
            await server.start()
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
            discord_port = probe.getsockname()[1]
        store, store_port = await stack.enter_async_context(port_line(_object_store(stack)))
        discord, port = await stack.enter_async_context(port_line(discord_port))
        told = await _told(postgres, redis, settings, store_port=store_port, discord_port=port)
        url = f"http://127.0.0.1:{discord_port}"
        yield Neighbours(postgres, redis, store, discord, url, told)


def _object_store(stack: contextlib.AsyncExitStack) -> int:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    stack.callback(server.stop)
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id=NAME,
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket=BUCKET)
    return int(port)


async def _told(
    postgres: Kept, redis: Kept, settings: Settings, *, store_port: int, discord_port: int
) -> Settings:
    url = f"postgresql+asyncpg://postgres@/{DATABASE}?host={postgres.place}"
    connection = await asyncpg.connect(host=str(postgres.place), user="postgres")
    await connection.execute(f"create database {DATABASE}")
    await connection.close()
    await asyncio.to_thread(upgrade, url)
    storage = StorageSettings(
        kind="s3",
        bucket=BUCKET,
        endpoint_url=f"http://127.0.0.1:{store_port}",
        access_key=SecretStr(NAME),
        secret_key=SecretStr(SECRET),
    )
    changes: dict[str, Any] = {
        "database": DatabaseSettings(url=SecretStr(url)),
        "redis": RedisSettings(url=SecretStr(f"unix://{redis.place}/redis.sock")),
        "storage": storage,
        "discord": settings.discord.model_copy(
            update={
                "api_base": f"http://127.0.0.1:{discord_port}/api/v10",
                "gateway_url": f"ws://127.0.0.1:{discord_port}/gateway/",
            }
        ),
    }
    return settings.model_copy(update=changes)
