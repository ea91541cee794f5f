"""No call to a frozen server lasts for ten seconds, and all goes on once it is let go."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.bell import Bell
from shared.config import Settings
from shared.connections import CONNECT_TIMEOUT_S, Database, connect_redis
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.leadership import Leadership
from shared.outlooks import Outlooks
from shared.plans import Speed
from tests.conftest import TestServers
from tests.freezing import frozen

LONGEST_S = 10.0


async def seconds(call: Awaitable[object]) -> float:
    """Whether it answers or gives up; a call that does neither is a TimeoutError here."""
    began = time.monotonic()
    with suppress(Fault):
        async with asyncio.timeout(2 * LONGEST_S):
            await call
    return time.monotonic() - began


@pytest.fixture
async def leader(settings: Settings) -> AsyncIterator[Leadership]:
    made = Leadership(settings.database)
    assert await made.won()
    yield made
    await made.close()


async def test_of_postgres(
    servers: TestServers, settings: Settings, database: Database, leader: Leadership
) -> None:
    people = Database.connect(settings.database, ask_after_s=0)
    for one in (database, people):
        await one.ping()  # so that an idle connection is there
    new, second = Database.connect(settings.database), Leadership(settings.database)
    with frozen(servers.servers.postgres.pid):
        idle, waiting, connecting, lost, won = await asyncio.gather(
            *map(seconds, (database.ping(), people.ping(), new.ping())),
            *map(seconds, (leader.lost(), second.won())),
        )
        closing = await seconds(new.close())
    assert max(waiting, connecting) < CONNECT_TIMEOUT_S + 0.5
    assert max(idle, lost, won, closing) < LONGEST_S
    await database.ping()
    assert await second.won()
    await second.close()
    await people.close()


async def test_who_leaves_a_frozen_postgres_leaves_no_connection_behind(
    servers: TestServers, settings: Settings
) -> None:
    leader, people = Leadership(settings.database), Database.connect(settings.database)
    assert await leader.won()
    async with people.single() as first, people.single() as second, people.single() as third:
        for one in (first, second, third):
            await one.execute(text("select 1"))
    with frozen(servers.servers.postgres.pid):
        await asyncio.gather(leader.close(), people.close())
    gc.collect()  # an open one would be told of here, and the warning is an error


async def test_of_postgres_in_the_middle_of_a_transaction(
    servers: TestServers, database: Database
) -> None:
    async def transaction() -> None:
        async with database.begin() as session:
            await session.execute(text("select 1"))
            with frozen(servers.servers.postgres.pid):
                await session.execute(text("select 2"))

    assert await seconds(transaction()) < LONGEST_S
    await database.ping()


async def test_of_redis(servers: TestServers, settings: Settings) -> None:
    redis, bell = connect_redis(settings.redis), Bell(settings.redis)
    await redis.ping()
    await bell.ring(Speed.FAST, uuid4())
    event = JobEvent(uuid4(), EventKind.STATE, state="running")
    with frozen(servers.servers.redis.pid):
        calls = (
            bell.ring(Speed.FAST, uuid4()),
            bell.ring_worker("gpu", uuid4(), 1),
            bell.ring_expect("gpu", ["postcards"]),
            Events(redis).publish(event),
            Outlooks(redis).read([uuid4()]),
            Outlooks(redis).publish([]),
        )
        lasted = await asyncio.gather(*map(seconds, calls))
    assert max(lasted) < LONGEST_S / 2
    assert await bell.ring(Speed.FAST, uuid4())
    await bell.close()
    await redis.aclose()
