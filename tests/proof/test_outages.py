"""Everything that a farm depends on goes away for a while: nothing ends, nothing hangs, nothing is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.emulator.client import TOKEN, LocalDiscord
from shared.config import Settings
from shared.connections import Database
from tests.proof import troubles
from tests.proof.customers import Customers
from tests.proof.farm import Farm
from tests.proof.neighbours import Neighbours, neighbours
from tests.proof.troubles import Trouble
from tests.shared.desks import two_desks

BACK_WITHIN_S, CALL_WITHIN_S, LEASE_S = 15.0, 10.0, 4.0
NOT_ASKED = "not asked"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("cases", "seconds"),
    [
        pytest.param(troubles.TELLING, 3.0, id="telling"),
        pytest.param(troubles.ALL, 20.0, id="all", marks=pytest.mark.slow),
    ],
)
async def test_an_outage_ends_and_all_is_well(
    settings: Settings, fast_path: Path, cases: Sequence[Trouble], seconds: float
) -> None:
    async with neighbours(fast_path, settings) as near, a_town(near, fast_path) as (farm, people):
        for trouble in cases:
            people.slowest_s, people.put_off = 0.0, 0
            async with people.busy():
                async with trouble(near):
                    answered = await during(trouble, people, seconds)
                back = await back_after(farm, people)
            print(
                f"invariant 17: {trouble.__name__} for {seconds:.0f} s: back after {back:.1f} s,"
                f" slowest call {people.slowest_s:.1f} s, told to try again {people.put_off},"
                f" /imagine {answered}"
            )
            assert farm.ended_by_itself() == {}, farm.logs()
            assert people.slowest_s < CALL_WITHIN_S
            assert back <= BACK_WITHIN_S
            assert answered in ("answered", NOT_ASKED)
        assert set(await farm.ended(people.accepted)) == {"succeeded"}
        assert await farm.wrongs() == []


async def during(trouble: Trouble, people: Customers, seconds: float) -> str:
    """Somebody types /imagine while the outage lasts. Without Discord nobody can."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(seconds))
        if trouble is troubles.discord_down:
            return NOT_ASKED
        asked = group.create_task(people.imagine())
    return asked.result()


async def back_after(farm: Farm, people: Customers) -> float:
    """Seconds until the bot answers and somebody who asks now has a picture."""
    began = time.monotonic()
    while await people.imagine() != "answered":
        assert time.monotonic() - began < BACK_WITHIN_S, farm.logs()
    ordered = await people.order()
    await farm.ended([ordered], within_s=60)
    took = time.monotonic() - began
    if took > BACK_WITHIN_S:
        story = "select target, at, worker from transitions where job_id = :id order by id"
        print(*await farm.rows(story, id=ordered), sep="\n")
    return took


@contextlib.asynccontextmanager
async def a_town(near: Neighbours, folder: Path) -> AsyncIterator[tuple[Farm, Customers]]:
    """Two dispatchers, two workers, the bot in a local Discord, and people at a desk of their own."""
    database = Database.connect(near.settings.database)
    farm = Farm(near.settings, folder, database, LEASE_S, _addresses(near))
    caps = {"max_waiting": 10_000, "max_running": 10_000}
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(farm.close)
        discord = await stack.enter_async_context(LocalDiscord.connect(near.discord_url))
        small = near.settings.model_copy(update={"catalog_file": farm.catalog})
        desk, _ = await stack.enter_async_context(two_desks(small, **caps))
        await _start(farm, near, discord)
        yield farm, Customers(desk, discord)


async def _start(farm: Farm, near: Neighbours, discord: LocalDiscord) -> None:
    port, public = near.discord_url.rpartition(":")[2], near.settings.discord.api_base
    public = public.removesuffix("/api/v10")
    told = ("--port", port, "--token", TOKEN, "--public-url", public)
    await farm.run("discord", "bot.emulator", *told)
    await farm.dispatcher("d1")
    await farm.dispatcher("d2")
    for name in ("w1", "w2"):
        await farm.worker(name, step_ms=5, more={"PICTOR_WORKER__SLOTS": "8"})
    await farm.until(lambda: _listens(discord))
    await farm.run("bot", "bot")
    await farm.up("w1", "w2")
    await discord.wait_bot(30)


async def _listens(discord: LocalDiscord) -> bool:
    try:
        await discord.violations()
    except OSError:
        return False
    return True


def _addresses(near: Neighbours) -> dict[str, str]:
    storage, discord = near.settings.storage, near.settings.discord
    assert storage.endpoint_url is not None
    assert storage.access_key is not None
    assert storage.secret_key is not None
    return {
        "PICTOR_STORAGE__KIND": "s3",
        "PICTOR_STORAGE__BUCKET": storage.bucket,
        "PICTOR_STORAGE__ENDPOINT_URL": storage.endpoint_url,
        "PICTOR_STORAGE__ACCESS_KEY": storage.access_key.get_secret_value(),
        "PICTOR_STORAGE__SECRET_KEY": storage.secret_key.get_secret_value(),
        "PICTOR_DISCORD__API_BASE": discord.api_base,
        "PICTOR_DISCORD__GATEWAY_URL": discord.gateway_url,
        "PICTOR_DISCORD__TOKEN": TOKEN,
    }
