"""Events are best effort: publishing never raises, following survives, nonsense is skipped."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.exceptions import RedisError

from farm.embedded import redis_server
from shared.config import RedisSettings, Settings
from shared.connections import connect_redis
from shared.events import CHANNEL, EventKind, Events, JobEvent

EVENTS = [
    JobEvent(uuid4(), EventKind.STATE, state="waiting"),
    JobEvent(uuid4(), EventKind.WAITING, position=3, eta_s=12.5, reason="your other job runs"),
    JobEvent(uuid4(), EventKind.PROGRESS, step=4, steps=12, steps_per_s=8.5),
    JobEvent(uuid4(), EventKind.PREVIEW, step=4, key="previews/1.webp"),
]


@pytest.fixture
async def events(settings: Settings) -> AsyncIterator[Events]:
    redis = connect_redis(settings.redis)
    yield Events(redis)
    await redis.aclose()


async def test_what_is_published_is_heard_in_order(events: Events) -> None:
    async with events.subscribe() as stream:
        await events.publish(*EVENTS)
        async with asyncio.timeout(5):
            assert [await anext(stream) for _ in EVENTS] == EVENTS


async def test_every_listener_hears_everything(events: Events) -> None:
    async with events.subscribe() as one, events.subscribe() as two:
        await events.publish(EVENTS[0])
        async with asyncio.timeout(5):
            assert await anext(one) == await anext(two) == EVENTS[0]


async def test_nonsense_on_the_channel_is_skipped(events: Events, settings: Settings) -> None:
    redis = connect_redis(settings.redis)
    async with events.subscribe() as stream:
        for nonsense in (
            b"",
            b"{}",
            b"\xff",
            b'{"job_id": 7, "kind": "state"}',
            b'{"kind": "joy"}',
        ):
            await redis.publish(CHANNEL, nonsense)
        await events.publish(EVENTS[0])
        async with asyncio.timeout(5):
            assert await anext(stream) == EVENTS[0]
    await redis.aclose()


async def test_publishing_never_raises_and_never_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.PUBLISH_WITHIN_S", 0.3)
    server = await asyncio.to_thread(redis_server, tmp_path / "redis")
    redis = connect_redis(RedisSettings(url=SecretStr(server.url)))
    events = Events(redis)
    await events.publish(EVENTS[0])
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    await events.publish(*EVENTS)
    assert time.monotonic() - began < 1.5
    os.kill(server.pid, signal.SIGCONT)
    await asyncio.to_thread(server.stop)
    await events.publish(*EVENTS)
    await redis.aclose()


async def test_a_lost_connection_ends_a_subscription_with_an_error(
    events: Events, settings: Settings
) -> None:
    redis = connect_redis(settings.redis)
    async with events.subscribe() as stream:
        await redis.client_kill_filter(_type="pubsub")
        with pytest.raises((RedisError, OSError)):
            async with asyncio.timeout(5):
                await anext(stream)
    await redis.aclose()


async def test_following_survives_and_says_when_something_may_be_missed(
    events: Events, settings: Settings
) -> None:
    redis = connect_redis(settings.redis)
    heard: asyncio.Queue[JobEvent | None] = asyncio.Queue()

    async def follow() -> None:
        async for event in events.follow():
            heard.put_nowait(event)

    task = asyncio.create_task(follow())
    async with asyncio.timeout(10):
        assert await heard.get() is None
        for event in EVENTS[:2]:
            await events.publish(event)
            assert await heard.get() == event
            await redis.client_kill_filter(_type="pubsub")
            assert await heard.get() is None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await redis.aclose()
