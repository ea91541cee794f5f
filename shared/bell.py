"""The doorbell: arq queues that carry ids and names alone. Postgres remembers; a lost ring costs a second.

JSON in and out. arq's own pickle would run whatever somebody put into Redis.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from shared.config import RedisSettings
from shared.connections import redis_options, redis_url
from shared.plans import Speed

# One queue for each speed, which the dispatcher drains into fair order.
QUEUES: dict[Speed, str] = {speed: f"pictor:{speed.value}" for speed in Speed}
PICK = "pick"  # the dispatcher's arq function
RENDER, EXPECT = "render", "expect"  # a worker's
LIMIT_BYTES = 4096
RING_LIFE_S = 3600  # a ring that nobody heard for an hour: both ends have looked at Postgres since
# Read-ahead is worth something only before the job comes; said again, since a ring may be lost and a
# child may have been born since.
EXPECT_LIFE_S, EXPECT_AGAIN_S = 30, 30.0
MOST_EXPECTED = 8


class _Ring(msgspec.Struct, forbid_unknown_fields=True):
    """arq's own names: try, function, arguments, keyword arguments, moment of enqueueing in ms."""

    f: str
    a: list[str | int]
    k: dict[str, str]
    t: int | None
    et: int


_decode = msgspec.json.Decoder(_Ring).decode


def serialize(ring: dict[str, Any]) -> bytes:
    """Also for arq's results, which nobody keeps: of an error only its kind is told."""
    data = msgspec.json.encode(ring, enc_hook=lambda value: type(value).__name__)
    if len(data) > LIMIT_BYTES:
        raise ValueError("A ring carries ids, not contents.")
    return data


def deserialize(data: bytes) -> dict[str, Any]:
    """Anything but a small ring of ids raises, and arq drops it. Its worker must never see the rest:
    a function name that is no string would end it.
    """
    if len(data) > LIMIT_BYTES:
        raise ValueError("A ring carries ids, not contents.")
    return msgspec.structs.asdict(_decode(data))


# For arq.Worker. Times and tries are ours (Postgres), so arq's are set out of the way.
ARQ_DEFAULTS: dict[str, Any] = {
    "keep_result": 0,  # a kept result would swallow the next ring of the same id
    "queue_read_limit": 2000,  # entries in progress stay in the set and are read first
    "poll_delay": 0,  # our workers wait in Redis (farm.ear)
    "max_jobs": 100,
    "max_tries": 1000,
    "job_timeout": 20,  # also bounds how long a dead worker's ring stays taken
    "log_results": False,
    "allow_abort_jobs": False,  # an abort of an unknown id would spoil that id for ever
    "handle_signals": False,
    "job_serializer": serialize,
    "job_deserializer": deserialize,
}


def gpu_queue(worker: str) -> str:
    return f"pictor:gpu:{worker}"


async def arq_pool(settings: RedisSettings) -> ArqRedis:
    """arq's own pool has no time limits: one frozen Redis would freeze its callers."""
    return _pool(settings)


class Bell:
    """Best effort, and never longer than the socket's time limit: True when Redis has taken the ring."""

    def __init__(self, settings: RedisSettings) -> None:
        self._within_s = settings.socket_timeout_s
        self._expected: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._pool = _pool(settings)

    async def ring(self, speed: Speed, job_id: UUID, attempt: int = 0) -> bool:
        """Tells the dispatcher that a job waits."""
        return await self._ring(_of_job(PICK, QUEUES[speed], job_id, attempt))

    async def ring_worker(self, worker: str, job_id: UUID, attempt: int) -> bool:
        """Tells a worker that a job was dispatched to it."""
        return await self.ring_workers([(worker, job_id, attempt)])

    async def ring_workers(self, sent: Iterable[tuple[str, UUID, int]]) -> bool:
        """Tells each worker of its job, all in one round trip."""
        return await self._ring(
            *(_of_job(RENDER, gpu_queue(name), job_id, attempt) for name, job_id, attempt in sent)
        )

    async def ring_expect(self, worker: str, checkpoints: Sequence[str]) -> bool:
        """Tells a worker which checkpoints its next jobs need, in order, so that it reads them ahead.
        The same wish within EXPECT_AGAIN_S is not said twice."""
        wish = tuple(dict.fromkeys(checkpoints))[:MOST_EXPECTED]
        now = time.monotonic()
        said_at, said = self._expected.get(worker, (now, ()))
        if wish == said and now - said_at < EXPECT_AGAIN_S:
            return True
        ring_id = f"{EXPECT}:{worker}:{','.join(wish)}"
        queue = gpu_queue(worker)
        rung = await self._ring(_Pull(ring_id, EXPECT, wish, queue=queue, life_s=EXPECT_LIFE_S))
        if rung:
            self._expected[worker] = now, wish
        return rung

    async def hush(self, jobs: Iterable[tuple[Speed, str | None, UUID, int]]) -> bool:
        """Takes back what was rung for jobs that are over: speed, worker if any, id, attempt. What is
        not taken back is heard in vain: Postgres says that the job has ended."""
        pulls = [
            pull
            for speed, worker, job_id, attempt in jobs
            for pull in (
                _of_job(PICK, QUEUES[speed], job_id, attempt),
                *([_of_job(RENDER, gpu_queue(worker), job_id, attempt)] if worker else []),
            )
        ]
        try:
            async with asyncio.timeout(self._within_s), self._pool.pipeline() as pipeline:
                for pull in pulls:
                    pipeline.zrem(pull.queue, pull.id)
                    pipeline.delete(job_key_prefix + pull.id)
                await pipeline.execute()
        except (RedisError, OSError):
            return False
        return True

    async def depth(self, queue: str) -> int:
        """Rings not heard yet; for reports."""
        return int(await self._pool.zcard(queue))

    async def close(self) -> None:
        await self._pool.aclose(close_connection_pool=True)

    async def _ring(self, *pulls: "_Pull") -> bool:
        """As arq's enqueue_job, which looks first whether the id is there: here a repeat is harmless."""
        now_ms = time.time_ns() // 1_000_000
        try:
            async with asyncio.timeout(self._within_s), self._pool.pipeline() as pipeline:
                for pull in pulls:
                    body = serialize_job(
                        pull.function, pull.said, {}, None, now_ms, serializer=serialize
                    )
                    pipeline.set(job_key_prefix + pull.id, body, ex=pull.life_s)
                    pipeline.zadd(pull.queue, {pull.id: now_ms}, nx=True)
                await pipeline.execute()
        except (RedisError, OSError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Pull:
    """One ring to be. arq's ids are one space for all queues."""

    id: str
    function: str
    said: tuple[str | int, ...]
    queue: str
    life_s: int = RING_LIFE_S


def _of_job(function: str, queue: str, job_id: UUID, attempt: int) -> _Pull:
    return _Pull(f"{function}:{job_id}:{attempt}", function, (str(job_id), attempt), queue)


def _pool(settings: RedisSettings) -> ArqRedis:
    url = redis_url(settings)
    pool = ConnectionPool.from_url(url, **redis_options(url, settings))
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)
