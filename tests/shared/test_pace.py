"""How fast we talk to Discord: one bucket for all processes, and a breaker before Discord's own."""

import asyncio

import pytest
from redis.asyncio import Redis

from shared.pace import FLOW, FULL, MOST_REFUSED, WINDOW_S, Bucket, Halted, Pace, Refusals, Urgency


def most_in_a_second(flow: float) -> int:
    """Of an eager asker over ten seconds."""
    bucket, now, taken = Bucket(flow=flow), 0.0, []
    while now < 10:
        wait = bucket.take(now, 0.0)
        taken += [] if wait else [now]
        now += wait + 1e-6
    return max(sum(now <= at < now + 1 for at in taken) for now in taken)


def test_no_second_holds_more_than_discord_allows() -> None:
    assert most_in_a_second(FLOW) <= FULL + FLOW


def test_the_last_places_are_for_the_urgent() -> None:
    bucket = Bucket()
    while not bucket.take(0.0, 5.0):
        pass
    assert bucket.left == 5
    while not bucket.take(0.0, 1.0):
        pass
    assert bucket.left == 1
    assert not bucket.take(0.0, 0.0)
    assert bucket.take(0.0, 0.0) > 0


def test_refusals_are_forgotten_after_ten_minutes() -> None:
    refusals = Refusals()
    for moment in range(5):
        refusals.note(float(moment))
    assert refusals.lately(4.0) == 5
    assert refusals.lately(WINDOW_S + 2) == 2


async def test_after_too_many_refusals_only_ends_and_answers_go() -> None:
    now = 1000.0
    pace = Pace(clock=lambda: now)
    for _ in range(MOST_REFUSED - 1):
        await pace.note_refused()
    await pace.take(Urgency.PROGRESS)
    await pace.note_refused()
    for halted in (Urgency.PROGRESS, Urgency.OTHER):
        with pytest.raises(Halted):
            await pace.take(halted)
    await pace.take(Urgency.FINAL)
    await pace.take(Urgency.ACK)
    now += WINDOW_S
    await pace.take(Urgency.PROGRESS)


async def test_processes_share_one_bucket_and_one_count(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        first, second = Pace(redis), Pace(redis)
        for _ in range(4):
            await first.take(Urgency.ACK)
            await second.take(Urgency.ACK)
        left = float(await redis.hget("pictor:discord:pace", "left") or 0)
        assert left < FULL - 4  # none has a bucket of its own, whatever flowed in meanwhile
        await asyncio.gather(*(first.note_refused() for _ in range(MOST_REFUSED)))
        await second.take(Urgency.ACK)  # the count comes with the next place in line
        with pytest.raises(Halted):
            await second.take(Urgency.PROGRESS)


async def test_without_redis_each_process_keeps_to_its_share() -> None:
    nobody = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    pace = Pace(nobody)
    await pace.take(Urgency.FINAL)
    await pace.note_refused()
    assert pace.refused_lately() == 1
    await nobody.aclose()
