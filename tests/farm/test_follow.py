"""Following one job from a terminal: the wait is told, and the end is found."""

import asyncio
import io
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from rich.console import Console

from farm.follow import follow, waiting_words
from shared import jobstore
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import EventKind, Events, JobEvent
from shared.jobs import JobState
from tests.farm.rows import a_job, an_account


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


async def test_the_wait_is_told_until_the_end_is_found(database: Database, redis: "Redis") -> None:
    account = await an_account(database)
    job = await a_job(database, account)
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    event = JobEvent(
        job.id,
        EventKind.WAITING,
        position=3,
        eta_low_s=118,
        eta_high_s=251,
        reason="the model is loading",
    )
    following = asyncio.create_task(follow(database, redis, job, console))

    async def shown(words: str) -> None:
        async with asyncio.timeout(10):
            while words not in screen.getvalue():
                await Events(redis).publish(event)
                await asyncio.sleep(0.05)

    await shown("waiting · Position 3 · about 2 to 4 min · the model is loading")
    async with database.begin() as session:
        assert await jobstore.dispatched(session, job.id, worker="gpu-0")
    event = JobEvent(job.id, EventKind.STATE, state="dispatched")
    await shown("a GPU is taking it on")
    async with database.begin() as session:
        assert await jobstore.cancelled(session, job.id, account)
    async with asyncio.timeout(10):
        assert (await following).state is JobState.CANCELLED


def test_what_is_not_known_is_not_said() -> None:
    job_id = uuid4()
    bare = JobEvent(job_id, EventKind.WAITING, reason="no GPU is up")
    assert waiting_words(bare) == "waiting · no GPU is up"
    assert waiting_words(JobEvent(job_id, EventKind.WAITING)) == "waiting"
