"""JobEvent: what the outside may know of a job, published over Redis. Losing one loses a progress bar only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

CHANNEL = "pictor:events"
PUBLISH_WITHIN_S = 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class EventKind(StrEnum):
    STATE = "state"  # the row changed: read it
    WAITING = "waiting"  # position, ETA and reason while it waits
    PROGRESS = "progress"  # step of steps
    PREVIEW = "preview"  # a filtered preview was stored


class JobEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """`eta_s` is seconds until the picture, `start_s` until a GPU takes it on; `position` counts from 1;
    `key` is a preview's storage key."""

    job_id: UUID
    kind: EventKind
    state: str | None = None
    step: int = 0
    steps: int = 0
    steps_per_s: float = 0.0
    eta_s: float | None = None
    eta_low_s: float | None = None
    eta_high_s: float | None = None
    start_s: float | None = None
    position: int | None = None
    reason: str | None = None
    key: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JobEvent).decode


class Events:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def publish(self, *events: JobEvent) -> None:
        """Best effort and bounded: a Redis that is away must not stop a job (the row is the truth)."""
        try:
            async with asyncio.timeout(PUBLISH_WITHIN_S), self._redis.pipeline(False) as pipeline:
                for event in events:
                    pipeline.publish(CHANNEL, _encode(event))
                await pipeline.execute()
        except (RedisError, OSError):
            return

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[JobEvent]]:
        """`async with events.subscribe() as stream: async for event in stream`. Ends with a RedisError
        when the connection is lost: the caller reconciles from Postgres and subscribes again."""
        pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        try:
            await pubsub.subscribe(CHANNEL)
            yield _stream(pubsub)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def follow(self) -> AsyncIterator[JobEvent | None]:
        """Never ends: survives every loss of Redis. None says that events may have been missed, at the
        start too, and that now is the time to look at Postgres."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with self.subscribe() as stream:
                    pause = FIRST_PAUSE_S
                    yield None
                    async for event in stream:
                        yield event
            except (RedisError, OSError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)


async def _stream(pubsub: PubSub) -> AsyncIterator[JobEvent]:
    while True:
        message: dict[str, Any] | None = await pubsub.get_message(timeout=1.0)
        if message is None:
            continue
        try:
            yield _decode(message["data"])
        except msgspec.DecodeError:
            continue
