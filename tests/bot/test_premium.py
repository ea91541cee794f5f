"""What is bought on Discord, through the real bot: credited, consumed, ended; events may be lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from bot.cogs.premium import Premium
from bot.emulator import people, shelf
from bot.emulator.client import LocalDiscord
from shared import accounts, ledger
from shared.config import SHARED, DiscordSettings, Settings
from shared.connections import Database
from shared.ledger import Balance
from tests.bot.house import House, buttons_of, text_of

HOUR = 3_600_000
SKUS = f"""
[trial]
plan = "paid"
days = 7
grant_ms = {HOUR}

[skus.{shelf.PRO_MONTHLY.id}]
title = "Pro, each month"
plan = "pro"
price = 3000

[skus.{shelf.SERVER_MONTHLY.id}]
title = "Pro for a server"
plan = "pro"
price = 9900

[skus.{shelf.GPU_HOUR.id}]
title = "One GPU hour"
top_up_ms = {HOUR}
price = 400
"""


@pytest.fixture
def house_settings(settings: Settings, pointed: DiscordSettings, tmp_path: Path) -> Settings:
    file = tmp_path / "plans.toml"
    file.write_text((SHARED / "plans.toml").read_text() + SKUS)
    return settings.model_copy(update={"discord": pointed, "plans_file": file})


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await holds():
            await asyncio.sleep(0.05)


async def balance_of(database: Database, who: people.Person) -> Balance:
    async with database.read() as session:
        account = await accounts.by_discord(session, who.id)
        return Balance(0, 0) if account is None else await ledger.balance(session, account.id)


def premium_of(house: House) -> Premium:
    return cast(Premium, house.bot.get_cog("Premium"))


async def test_an_hour_is_credited_then_consumed_and_can_be_bought_again(
    house: House, local: LocalDiscord, database: Database
) -> None:
    for hours in (1, 2):
        bought = await local.buy(people.FINN, shelf.GPU_HOUR)

        async def credited(wanted: int = hours * HOUR) -> bool:
            return (await balance_of(database, people.FINN)).lasting_ms == wanted

        async def consumed(id: str = bought["id"]) -> bool:
            return (await house.bot.fetch_entitlement(int(id))).consumed

        await until(credited)
        await until(consumed)
    assert await premium_of(house)._cashier.to_consume() == []


async def test_a_lost_event_and_a_refused_consume_cost_nothing(
    house: House, local: LocalDiscord, database: Database
) -> None:
    await house.stop()
    bought = await local.buy(people.FINN, shelf.GPU_HOUR)
    await local.add_fault("status", "/consume", status=400, times=1)
    await house.start()

    async def credited() -> bool:
        return (await balance_of(database, people.FINN)).lasting_ms == HOUR

    await until(credited)
    await premium_of(house).reconcile()
    await premium_of(house).reconcile()
    assert (await house.bot.fetch_entitlement(int(bought["id"]))).consumed
    assert (await balance_of(database, people.FINN)).lasting_ms == HOUR


async def test_a_plan_is_shown_tried_bought_and_ends_with_a_refund(
    house: House, local: LocalDiscord
) -> None:
    async def shown() -> str:
        return text_of(await house.told(await local.slash(people.FINN, "subscribe")))

    first = await house.told(await local.slash(people.FINN, "subscribe"))
    assert "You have the **Free** plan." in text_of(first)
    assert "30.00 USD" in text_of(first)
    assert "Nothing was charged" not in text_of(first)
    skus = [
        button["sku_id"]
        for row in first["components"]
        for button in row["components"]
        if "sku_id" in button
    ]
    assert skus == [shelf.PRO_MONTHLY.id, shelf.SERVER_MONTHLY.id, shelf.GPU_HOUR.id]
    trial = buttons_of(first)["Try Paid for 7 days"]
    await local.click(people.FINN, first["id"], trial)
    await until(lambda: _holds(shown, "**Paid** plan, your trial until"))
    bought = await local.buy(people.FINN, shelf.PRO_MONTHLY)
    await until(lambda: _holds(shown, "**Pro** plan, bought on Discord"))
    await local.refund(bought["id"])
    await until(lambda: _holds(shown, "**Paid** plan, your trial until"))


async def _holds(shown: Callable[[], Awaitable[str]], words: str) -> bool:
    return words in await shown()
