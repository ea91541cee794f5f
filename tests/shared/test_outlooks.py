"""The board is best effort: replaced as a whole, gone with its dispatcher, never in anybody's way."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from farm.embedded import redis_server
from shared import outlooks as module
from shared.config import RedisSettings, Settings
from shared.connections import connect_redis
from shared.events import EventKind, Events
from shared.outlooks import BOARD, LIFE_S, Outlooks, waiting_event
from shared.waits import Outlook


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


def foreseen(position: int, job_id: UUID | None = None) -> Outlook:
    return Outlook(
        job_id or uuid4(),
        position,
        start_s=4.0 * position,
        eta_s=6.0 * position,
        eta_low_s=5.0 * position,
        eta_high_s=9.5 * position,
        reason="the model is loading",
        checkpoint="postcards",
    )


async def test_what_is_published_is_read_and_who_is_unknown_is_missing(redis: "Redis") -> None:
    board, told = Outlooks(redis), [foreseen(1), foreseen(2), foreseen(3)]
    await board.publish(told)
    read = await board.read([told[2].job_id, uuid4(), told[0].job_id])
    assert read == {told[0].job_id: told[0], told[2].job_id: told[2]}


async def test_a_job_that_is_not_on_the_next_board_is_gone(redis: "Redis") -> None:
    board, one, other = Outlooks(redis), foreseen(1), foreseen(2)
    await board.publish([one, other])
    moved = foreseen(1, other.job_id)
    await board.publish([moved])
    assert await board.read([one.job_id, other.job_id]) == {other.job_id: moved}


async def test_nobody_waits_is_not_nobody_tells(redis: "Redis") -> None:
    board = Outlooks(redis)
    assert await board.read([uuid4()]) is None
    await board.publish([])
    assert await board.read([uuid4()]) == {}
    assert await board.read([]) == {}
    await board.forget()
    assert await board.read([]) is None


async def test_the_words_of_a_dead_dispatcher_expire(
    redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIFE_S", 1)
    board, one = Outlooks(redis), foreseen(1)
    await board.publish([one])
    assert await board.read([one.job_id]) == {one.job_id: one}
    await asyncio.sleep(1.2)
    assert await board.read([one.job_id]) is None


async def test_the_board_is_bounded_in_time_and_size(
    redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    told = [foreseen(position) for position in range(1, 6)]
    await Outlooks(redis).publish(told)
    read = await Outlooks(redis).read([one.job_id for one in told])
    assert read == {one.job_id: one for one in told[:3]}
    assert 0 < await redis.ttl(BOARD) <= LIFE_S <= 15


async def test_nonsense_on_the_board_is_skipped(redis: "Redis") -> None:
    one, job_id = foreseen(1), uuid4()
    await Outlooks(redis).publish([one])
    await redis.hset(BOARD, job_id.hex, '{"position": "first"}')  # type: ignore[misc]
    assert await Outlooks(redis).read([job_id, one.job_id]) == {one.job_id: one}


async def test_a_redis_that_is_away_or_hangs_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WITHIN_S", 0.3)
    server = await asyncio.to_thread(redis_server, tmp_path / "redis")
    redis = connect_redis(RedisSettings(url=SecretStr(server.url)))
    board = Outlooks(redis)
    await board.publish([foreseen(1)])
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    await board.publish([foreseen(1)])
    assert await board.read([uuid4()]) is None
    await board.forget()
    assert time.monotonic() - began < 2.5
    os.kill(server.pid, signal.SIGCONT)
    await asyncio.to_thread(server.stop)
    await board.publish([foreseen(1)])
    assert await board.read([uuid4()]) is None
    await redis.aclose()


async def test_the_event_says_what_the_board_says(redis: "Redis") -> None:
    one = foreseen(2)
    events = Events(redis)
    async with events.subscribe() as stream:
        await events.publish(waiting_event(one))
        async with asyncio.timeout(5):
            heard = await anext(stream)
    assert (heard.job_id, heard.kind, heard.state) == (one.job_id, EventKind.WAITING, "waiting")
    for name in ("position", "start_s", "eta_s", "eta_low_s", "eta_high_s", "reason"):
        assert getattr(heard, name) == getattr(one, name)
