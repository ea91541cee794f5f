"""JobEvent: what the outside may know of a job, published over Redis. Losing one loses a progress bar only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "pictor:events"


class EventKind(StrEnum):
    STATE = "state"  # the row changed: read it
    WAITING = "waiting"  # position, ETA and reason while it waits
    PROGRESS = "progress"  # step of steps
    PREVIEW = "preview"  # a filtered preview was stored


class JobEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """`eta_s` is seconds until the picture; `position` counts from 1; `key` is a preview's storage key."""

    job_id: UUID
    kind: EventKind
    state: str | None = None
    step: int = 0
    steps: int = 0
    steps_per_s: float = 0.0
    eta_s: float | None = None
    position: int | None = None
    reason: str | None = None
    key: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(JobEvent).decode


class Events:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def publish(self, *events: JobEvent) -> None:
        """Best effort: a Redis that is down must not stop a job (the row is the truth)."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
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
        await pubsub.subscribe(CHANNEL)
        try:
            yield self._stream(pubsub)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _stream(self, pubsub: object) -> AsyncIterator[JobEvent]:
        while True:
            message = await pubsub.get_message(timeout=1.0)  # type: ignore[attr-defined]
            if message is None:
                continue
            try:
                yield _decode(message["data"])
            except msgspec.DecodeError:
                continue
