"""One leader on a real Postgres: the lock, its loss, and the one who takes over."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared import leadership as leadership_module
from shared.config import DatabaseSettings, Settings
from shared.connections import Database
from shared.leadership import Leadership, is_led

CUT = text(
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = 'pictor leadership' and datname = current_database()"
)


@asynccontextmanager
async def candidate(settings: Settings) -> AsyncIterator[Leadership]:
    leadership = Leadership(settings.database)
    yield leadership
    await leadership.close()


async def _up(database: Database) -> bool:
    async with database.read() as session:
        return await is_led(session)


async def test_one_wins_and_the_next_takes_over(settings: Settings, database: Database) -> None:
    async with candidate(settings) as first, candidate(settings) as second:
        assert not await _up(database)
        assert await first.won()
        assert await _up(database)
        assert not await second.won()
        await first.close()
        assert await second.won()


async def test_a_cut_connection_is_a_lost_leadership_at_once(
    settings: Settings, database: Database
) -> None:
    async with candidate(settings) as first, candidate(settings) as second:
        assert await first.won()
        losing = asyncio.create_task(first.lost(look_every_s=60.0))
        await asyncio.sleep(0)
        async with database.begin() as session:
            await session.execute(CUT)
        async with asyncio.timeout(1.0):
            await losing
        assert await second.won()
        await first.close()
        assert not await first.won()


async def test_who_was_cut_off_may_try_again(settings: Settings, database: Database) -> None:
    async with candidate(settings) as leadership:
        assert await leadership.won()
        losing = asyncio.create_task(leadership.lost())
        async with database.begin() as session:
            await session.execute(CUT)
        async with asyncio.timeout(5.0):
            await losing
            while not await leadership.won():
                await asyncio.sleep(0.1)


async def test_a_leader_keeps_leading_while_asked(settings: Settings) -> None:
    async with candidate(settings) as leadership:
        assert await leadership.won()
        losing = asyncio.create_task(leadership.lost(look_every_s=0.01))
        await asyncio.sleep(0.2)
        assert not losing.done()
        losing.cancel()


async def test_a_leader_that_falls_silent_is_put_out(settings: Settings) -> None:
    """Frozen, or behind a dead cable: its connection lives, its lock does not."""
    async with candidate(settings) as frozen, candidate(settings) as second:
        assert await frozen.won()
        async with asyncio.timeout(5.0):
            while not await second.won():
                await asyncio.sleep(0.1)
        await frozen.lost()
        assert not await frozen.won()


async def test_without_a_database_nobody_leads() -> None:
    nowhere = DatabaseSettings(url=SecretStr("postgresql://nobody@127.0.0.1:1/none"))
    leadership = Leadership(nowhere)
    assert not await leadership.won()
    await leadership.lost()
    await leadership.close()


async def test_a_postgres_that_did_not_answer_for_long_is_just_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership_module, "AWAY_S", 0.3)
    leader = Leadership(settings.database)
    assert await leader.won()
    assert leader.back_for_s == math.inf
    await asyncio.sleep(0.4)
    assert await leader.won()
    assert leader.back_for_s < 5.0
    await leader.close()
