"""Rings carry ids as JSON, are best effort, and nothing that is not a ring is ever run."""

import asyncio
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func
from pydantic import SecretStr
from redis.asyncio import Redis

from farm.embedded import Server, redis_server
from shared.bell import (
    ARQ_DEFAULTS,
    MOST_EXPECTED,
    QUEUES,
    Bell,
    arq_pool,
    deserialize,
    gpu_queue,
    serialize,
)
from shared.config import RedisSettings, Settings
from shared.plans import Speed

JOB = UUID("00000000-0000-4000-8000-000000000001")


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[Server]:
    """One that a test may freeze and stop."""
    server = await asyncio.to_thread(redis_server, tmp_path / "redis")
    yield server
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
    await asyncio.to_thread(server.stop)


async def drain(settings: RedisSettings, queue: str, name: str) -> list[tuple[Any, ...]]:
    """What a real arq worker hears on this queue."""
    heard: list[tuple[Any, ...]] = []

    async def listen(_: dict[Any, Any], *arguments: Any) -> None:
        heard.append(arguments)

    worker = Worker(
        [func(cast(WorkerCoroutine, listen), name=name)],
        queue_name=queue,
        redis_pool=await arq_pool(settings),
        burst=True,
        **ARQ_DEFAULTS,
    )
    await worker.main()
    await worker.pool.aclose(close_connection_pool=True)  # its own close is deprecated inside
    return heard


async def test_a_ring_is_heard_once_with_ids_alone(settings: Settings) -> None:
    bell = Bell(settings.redis)
    for speed in Speed:
        assert await bell.ring(speed, JOB)
        assert await bell.ring(speed, JOB)
        assert await drain(settings.redis, QUEUES[speed], "pick") == [(str(JOB), 0)]
    assert await bell.ring_worker("gpu-0", JOB, 3)
    assert await bell.depth(gpu_queue("gpu-0")) == 1
    assert await drain(settings.redis, gpu_queue("gpu-0"), "render") == [(str(JOB), 3)]
    await bell.close()


async def test_the_same_ring_may_come_again_after_it_was_heard(settings: Settings) -> None:
    bell = Bell(settings.redis)
    for _ in range(3):
        assert await bell.ring_worker("gpu-0", JOB, 1)
        assert await drain(settings.redis, gpu_queue("gpu-0"), "render") == [(str(JOB), 1)]
    await bell.close()


async def test_picks_and_renders_do_not_swallow_each_other(settings: Settings) -> None:
    bell = Bell(settings.redis)
    await bell.ring(Speed.FAST, JOB, 1)
    await bell.ring_worker("gpu-0", JOB, 1)
    assert await bell.depth(QUEUES[Speed.FAST]) == await bell.depth(gpu_queue("gpu-0")) == 1
    await bell.close()


async def test_a_wish_is_rung_when_it_is_new_and_now_and_then_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell, queue = Bell(settings.redis), gpu_queue("gpu-0")

    async def rung(*names: str) -> list[tuple[Any, ...]]:
        assert await bell.ring_expect("gpu-0", names)
        return await drain(settings.redis, queue, "expect")

    assert await rung() == []
    assert await rung("a", "b", "a") == [("a", "b")]
    assert await rung("a", "b") == []
    assert await rung("b", "a") == [("b", "a")]
    assert await rung() == [()]
    many = [f"checkpoint-{number}" for number in range(20)]
    assert await rung(*many) == [tuple(many[:MOST_EXPECTED])]
    assert await bell.ring_expect("gpu-1", many)
    assert await bell.depth(gpu_queue("gpu-1")) == 1
    monkeypatch.setattr("shared.bell.EXPECT_AGAIN_S", 0.0)
    assert await rung(*many) == [tuple(many[:MOST_EXPECTED])]
    await bell.close()


async def test_a_wish_that_redis_did_not_take_is_rung_again(own_redis: Server) -> None:
    settings = RedisSettings(url=SecretStr(own_redis.url), socket_timeout_s=0.3)
    bell = Bell(settings)
    os.kill(own_redis.pid, signal.SIGSTOP)
    assert not await bell.ring_expect("gpu-0", ["a"])
    os.kill(own_redis.pid, signal.SIGCONT)
    async with asyncio.timeout(10):
        while not await bell.ring_expect("gpu-0", ["a"]):
            await asyncio.sleep(0.05)
    assert await drain(settings, gpu_queue("gpu-0"), "expect") == [("a",)]
    await bell.close()


class Bomb:
    """Unpickling it writes a file: what a pickle from outside would do to us."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self._path,))


def payloads(proof: Path) -> list[bytes]:
    """Pickles as arq would write them, in every protocol, and JSON that is no ring of ours."""
    ring: dict[str, Any] = {"t": 1, "f": "pick", "a": (Bomb(proof),), "k": {}, "et": 1}
    pickles = [pickle.dumps(ring, protocol) for protocol in range(6)]
    bare = [pickle.dumps(Bomb(proof), protocol) for protocol in range(6)]
    jsons = [
        b'{"t": 1, "f": ["a list"], "a": [], "k": {}, "et": 1}',
        b'{"t": 1, "f": {"a": "dict"}, "a": [], "k": {}, "et": 1}',
        b'{"t": "x", "f": "pick", "a": [], "k": {}, "et": 1}',
        b'{"t": 1, "f": "pick", "a": [{"deep": 1}], "k": {}, "et": 1}',
        b'{"t": 1, "f": "os.system", "a": ["touch x"], "k": {}, "et": 1}',
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b"[" * 3000,
        b'"' + b"x" * 5000 + b'"',
    ]
    return [*pickles, *bare, *jsons]


async def test_pickles_are_never_run_and_stop_nobody(settings: Settings, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    queue, bad = QUEUES[Speed.FAST], payloads(proof)
    assert len(bad) >= 20
    assert settings.redis.url is not None
    async with Redis.from_url(settings.redis.url.get_secret_value()) as redis:
        for number, payload in enumerate(bad):
            await redis.set(f"arq:job:bad-{number}", payload)
            await redis.zadd(queue, {f"bad-{number}": 1})
        bell = Bell(settings.redis)
        await bell.ring(Speed.FAST, JOB)
        assert await drain(settings.redis, queue, "pick") == [(str(JOB), 0)]
        assert await redis.zcard(queue) == 0
    assert not proof.exists()
    pickle.loads(bad[-len(bad)])
    assert proof.exists(), "the payloads are live: it is our codec that kept them from running"
    await bell.close()


async def test_nothing_in_redis_is_a_pickle(settings: Settings) -> None:
    bell = Bell(settings.redis)
    await bell.ring(Speed.TURBO, JOB)
    assert settings.redis.url is not None
    async with Redis.from_url(settings.redis.url.get_secret_value()) as redis:
        [key] = await redis.keys("arq:job:*")
        assert deserialize(await redis.get(key))["a"] == [str(JOB), 0]
        assert await redis.pttl(key) <= 3_600_000
    await bell.close()


def test_contents_do_not_fit() -> None:
    ring: dict[str, Any] = {"f": "pick", "a": ["x" * 5000], "k": {}, "t": None, "et": 1}
    with pytest.raises(ValueError, match="ids, not contents"):
        serialize(ring)
    assert serialize({"r": ValueError("a secret")}) == b'{"r":"ValueError"}'


async def test_a_stopped_redis_is_only_a_no(own_redis: Server) -> None:
    bell = Bell(RedisSettings(url=SecretStr(own_redis.url)))
    assert await bell.ring(Speed.FAST, uuid4())
    await asyncio.to_thread(own_redis.stop)
    assert not await bell.ring(Speed.FAST, uuid4())
    assert not await bell.ring_worker("gpu-0", uuid4(), 1)
    await bell.close()


async def test_a_frozen_redis_holds_nobody_beyond_the_limit(own_redis: Server) -> None:
    bell = Bell(RedisSettings(url=SecretStr(own_redis.url), socket_timeout_s=0.3))
    assert await bell.ring(Speed.FAST, uuid4())
    os.kill(own_redis.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert not await bell.ring(Speed.FAST, uuid4())
    assert time.monotonic() - began < 1.5
    os.kill(own_redis.pid, signal.SIGCONT)
    assert await bell.ring(Speed.FAST, uuid4())
    await bell.close()


async def test_the_limit_is_for_the_whole_ring_not_for_each_answer_of_redis() -> None:
    answers = {b"PING": b"+PONG\r\n", b"EXISTS": b":0\r\n"}

    async def answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while commands := await reader.read(4096):
                await asyncio.sleep(0.2)
                known = (answer for name, answer in answers.items() if name in commands)
                writer.write(next(known, b"+OK\r\n") * (commands.count(b"\r\n*") + 1))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        hung_up.set()

    hung_up = asyncio.Event()
    server = await asyncio.start_server(answer_slowly, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = SecretStr(f"redis://127.0.0.1:{port}")
    bell = Bell(RedisSettings(url=url, socket_timeout_s=0.3))
    began = time.monotonic()
    assert not await bell.ring(Speed.FAST, uuid4())
    assert time.monotonic() - began < 0.6
    await bell.close()
    async with asyncio.timeout(5):
        await hung_up.wait()
    server.close()
    await server.wait_closed()


async def test_a_full_redis_is_only_a_no(own_redis: Server) -> None:
    bell = Bell(RedisSettings(url=SecretStr(own_redis.url)))
    async with Redis.from_url(own_redis.url) as redis:
        await redis.config_set("maxmemory", 1)
    assert not await bell.ring(Speed.FAST, uuid4())
    await bell.close()
