"""All that rings is heard at once, whatever else lies in Redis, and nothing in Redis keeps it from that."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from farm.ear import Ear, Said, jobs_in
from farm.embedded import redis_server
from shared.bell import EXPECT, RENDER, Bell, arq_pool, gpu_queue
from shared.config import RedisSettings, Settings
from shared.connections import connect_redis

GPU = "gpu-0"
QUEUE = gpu_queue(GPU)


class Listener:
    """What an ear heard, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Said]]] = []
        self.hearing = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def hear(self, name: str, rings: Sequence[Said]) -> None:
        self.batches.append((name, list(rings)))
        self.hearing.set()
        await self.go_on.wait()

    @property
    def jobs(self) -> dict[UUID, int]:
        return {k: v for _, rings in self.batches for k, v in jobs_in(rings).items()}

    async def heard(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.jobs) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(settings: RedisSettings, listener: Listener) -> AsyncIterator[Ear]:
    async def render(rings: Sequence[Said]) -> None:
        await listener.hear(RENDER, rings)

    async def expect(rings: Sequence[Said]) -> None:
        await listener.hear(EXPECT, rings)

    ear = Ear(await arq_pool(settings), QUEUE, {RENDER: render, EXPECT: expect})
    task = asyncio.create_task(ear.main())
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.wait([task])
        await ear.close()


async def test_what_rings_while_we_are_busy_is_heard_in_one_go(settings: Settings) -> None:
    bell, listener = Bell(settings.redis), Listener()
    jobs = {uuid4(): number for number in range(1, 301)}
    first, *others = jobs.items()
    async with listening(settings.redis, listener):
        listener.go_on.clear()
        await bell.ring_worker(GPU, *first)
        await listener.hearing.wait()
        await bell.ring_workers([(GPU, *other) for other in others])
        await bell.ring_expect(GPU, ["sdxl", "postcards"])
        listener.go_on.set()
        await listener.heard(len(jobs))
        assert listener.jobs == jobs
        assert [len(rings) for name, rings in listener.batches if name == RENDER] == [1, 299]
        assert [rings for name, rings in listener.batches if name == EXPECT] == [
            [["sdxl", "postcards"]]
        ]
        redis: Redis = connect_redis(settings.redis)
        assert [key async for key in redis.scan_iter("arq:job:*")] == []
        assert await bell.depth(QUEUE) == 0
        await redis.aclose()
    await bell.close()


async def test_a_ring_is_heard_without_waiting_for_a_poll(settings: Settings) -> None:
    bell, listener = Bell(settings.redis), Listener()
    took: list[float] = []
    async with listening(settings.redis, listener):
        for count in range(1, 21):
            await asyncio.sleep(0.03)
            began = asyncio.get_running_loop().time()
            await bell.ring_worker(GPU, uuid4(), 1)
            while len(listener.jobs) < count:
                await asyncio.sleep(0)
            took.append(asyncio.get_running_loop().time() - began)
    assert sorted(took)[10] < 0.1
    await bell.close()


async def test_what_a_dead_worker_left_keeps_nobody_from_hearing(settings: Settings) -> None:
    """arq's own worker would pass over each of these for as long as their keys live."""
    bell, listener = Bell(settings.redis), Listener()
    redis: Redis = connect_redis(settings.redis)
    stuck = {uuid4(): 1 for _ in range(150)}
    await bell.ring_workers([(GPU, id, attempt) for id, attempt in stuck.items()])
    for id in stuck:
        await redis.set(f"arq:in-progress:{RENDER}:{id}:1", b"1", ex=300)
    fresh = uuid4()
    await bell.ring_worker(GPU, fresh, 2)
    async with listening(settings.redis, listener):
        await listener.heard(151)
    assert listener.jobs == stuck | {fresh: 2}
    await redis.aclose()
    await bell.close()


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x04.",
        b"{}",
        b'{"f":"render","a":["x",1],"k":{},"t":null,"et":1}',
        b'{"f":"render","a":[],"k":{},"t":null,"et":1}',
        b'{"f":"render","a":[7,"x"],"k":{},"t":null,"et":1}',
        b'{"f":"nobody","a":[],"k":{},"t":null,"et":1}',
        None,
    ],
)
async def test_what_is_no_ring_of_ours_is_gone_and_the_others_are_heard(
    settings: Settings, body: bytes | None
) -> None:
    bell, listener = Bell(settings.redis), Listener()
    redis: Redis = connect_redis(settings.redis)
    if body is not None:
        await redis.set("arq:job:bad", body)
    await redis.zadd(QUEUE, {"bad": 1})
    job_id = uuid4()
    await bell.ring_worker(GPU, job_id, 1)
    async with listening(settings.redis, listener):
        await listener.heard(1)
    assert listener.jobs == {job_id: 1}
    assert await redis.exists("arq:job:bad", QUEUE) == 0
    await redis.aclose()
    await bell.close()


async def test_a_redis_that_goes_away_ends_the_ear(tmp_path: Any) -> None:
    server = await asyncio.to_thread(redis_server, tmp_path / "redis")
    settings = RedisSettings(url=SecretStr(server.url))
    ear = Ear(await arq_pool(settings), QUEUE, {RENDER: lambda rings: asyncio.sleep(0)})
    task = asyncio.create_task(ear.main())
    await asyncio.sleep(0.2)
    await asyncio.to_thread(server.stop)
    with pytest.raises((RedisError, OSError)):
        async with asyncio.timeout(5):
            await task
    await ear.close()
