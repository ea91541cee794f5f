"""A line that is cut has carried the request out; one that is frozen delivers it too late."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from tests.chaos.lines import serve
from tests.chaos.points import CUT_COMMIT, CUT_REDIS, FROZEN_LINE, Points


class Lines:
    def __init__(self, folder: Path, database: str) -> None:
        self.place = folder / "lines" / "w1"
        self.points = Points(folder / "orders", "w1")
        self._database = database

    async def connect(self) -> "asyncpg.Connection":
        return await asyncpg.connect(
            host=str(self.place), user="postgres", database=self._database, timeout=5
        )

    def redis(self) -> "Redis":
        return Redis.from_url(f"unix://{self.place / 'redis.sock'}")


@pytest.fixture
async def lines(
    fast_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Lines]:
    url = urlsplit(database_url)
    (fast_path / "postgres").symlink_to(parse_qs(url.query)["host"][0])
    (fast_path / "redis").symlink_to(Path(redis_url.removeprefix("unix://")).parent)
    (fast_path / "orders").mkdir()
    servers = await serve(fast_path, "w1")
    yield Lines(fast_path, url.path.lstrip("/"))
    for server in servers:
        server.close()
    await asyncio.sleep(0.1)  # the ends of the last connections are heard


async def test_a_cut_commit_is_done_and_never_told(lines: Lines) -> None:
    connection = await lines.connect()
    await connection.execute("create table told (word text)")
    lines.points.strike(CUT_COMMIT, at=2)
    for word in ("heard", "unheard"):
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("insert into told values ($1)", word)
        if word == "heard":
            await transaction.commit()
            continue
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await transaction.commit()
    assert lines.points.struck(CUT_COMMIT)
    again = await lines.connect()
    assert [row["word"] for row in await again.fetch("select word from told")] == [
        "heard",
        "unheard",
    ]
    await again.close()


async def test_a_cut_answer_of_redis_is_done_and_never_told(lines: Lines) -> None:
    client = lines.redis()
    await client.set("word", "first")
    lines.points.strike(CUT_REDIS, at=1)
    with pytest.raises(RedisGone):
        await client.set("word", "second")
    assert await client.get("word") == b"second"
    await client.aclose()


async def test_a_frozen_line_delivers_late(lines: Lines) -> None:
    connection = await lines.connect()
    lines.points.cast(FROZEN_LINE, seconds=0.4)
    began = time.monotonic()
    async with asyncio.timeout(5):
        assert await connection.fetchval("select 1") == 1
    assert time.monotonic() - began > 0.3
    await connection.close()
