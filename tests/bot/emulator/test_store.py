"""The shop: what is bought, goes on, ends, is refunded and consumed, as discord.py reads it."""

from datetime import timedelta

import discord
import pytest

from bot.emulator import shelf
from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import FINN, GUILD_ID, PAULA
from tests.bot.emulator.conftest import ask, eventually
from tests.bot.emulator.robot import Robot

DAY_S = 24 * 3600.0


@pytest.fixture
def heard(robot: Robot) -> list[str]:
    """Names of the shop's events, as they reach the bot."""
    names: list[str] = []

    def note(name: str) -> None:
        async def hear(_: object) -> None:
            names.append(name)

        setattr(robot, f"on_{name}", hear)

    for kind in ("entitlement", "subscription"):
        for what in ("create", "update", "delete"):
            note(f"{kind}_{what}")
    return names


async def held(robot: Robot, *, exclude_ended: bool = False) -> list[discord.Entitlement]:
    finn = discord.Object(int(FINN.id))
    return [e async for e in robot.entitlements(user=finn, exclude_ended=exclude_ended)]


async def test_a_subscription_goes_on_month_by_month_until_it_is_cancelled(
    local: LocalDiscord, robot: Robot, heard: list[str]
) -> None:
    bought = await local.buy(FINN, shelf.PRO_MONTHLY)
    await eventually(lambda: heard == ["entitlement_create", "subscription_create"])
    assert (await held(robot))[0].id == int(bought["id"])
    with pytest.raises(Refused, match="yours already"):
        await local.buy(FINN, shelf.PRO_MONTHLY)
    await local.advance(31 * DAY_S)
    await eventually(lambda: heard[2:] == ["subscription_update"])
    cancelled = await local.cancel(FINN, shelf.PRO_MONTHLY)
    assert cancelled["status"] == shelf.Status.ENDING
    # Nothing is said of the entitlement until its end.
    await eventually(lambda: heard[3:] == ["subscription_update"])
    assert (await held(robot, exclude_ended=True))[0].ends_at is None
    await local.advance(31 * DAY_S)
    await eventually(lambda: heard[4:] == ["subscription_update", "entitlement_update"])
    assert await held(robot, exclude_ended=True) == []
    assert (await held(robot))[0].ends_at is not None


async def test_another_plan_takes_the_place_of_the_first(local: LocalDiscord, robot: Robot) -> None:
    await local.buy(FINN, shelf.PAID_MONTHLY)
    await local.buy(FINN, shelf.PRO_MONTHLY)
    (left,) = await held(robot, exclude_ended=True)
    assert left.sku_id == int(shelf.PRO_MONTHLY.id)


async def test_a_consumable_is_consumed_once_and_troubles_may_come_between(
    local: LocalDiscord, robot: Robot, heard: list[str]
) -> None:
    await local.lose_events("ENTITLEMENT_CREATE")
    await local.buy(FINN, shelf.GPU_HOUR)
    (bought,) = await held(robot)
    assert heard == []
    await local.add_fault("status", "/consume", status=400, times=1)
    with pytest.raises(discord.HTTPException):
        await bought.consume()
    assert not (await held(robot))[0].consumed
    await bought.consume()
    await bought.consume()
    assert (await held(robot))[0].consumed
    await eventually(lambda: heard == ["entitlement_update"])


async def test_a_refund_takes_the_entitlement_away(
    local: LocalDiscord, robot: Robot, heard: list[str]
) -> None:
    bought = await local.buy(FINN, shelf.PAID_MONTHLY)
    await local.refund(bought["id"])
    await eventually(lambda: "entitlement_delete" in heard)
    assert await held(robot) == []
    # discord.py says exclude_deleted only beside `before`.
    every = robot.entitlements(before=discord.Object(2**62), exclude_deleted=False)
    assert [each.deleted async for each in every] == [True]
    await local.buy(FINN, shelf.PAID_MONTHLY)


async def test_test_entitlements_are_made_and_deleted_by_the_bot(
    local: LocalDiscord, robot: Robot
) -> None:
    owners = {
        discord.EntitlementOwnerType.user: discord.Object(int(FINN.id)),
        discord.EntitlementOwnerType.guild: discord.Object(int(GUILD_ID)),
    }
    for kind, owner in owners.items():
        await robot.create_entitlement(discord.Object(int(shelf.PAID_MONTHLY.id)), owner, kind)
    made = [each async for each in robot.entitlements()]
    assert [(each.starts_at, each.guild_id) for each in made] == [
        (None, None),
        (None, int(GUILD_ID)),
    ]
    await made[0].delete()
    assert [each.id async for each in robot.entitlements()] == [made[1].id]
    bought = await local.buy(PAULA, shelf.GPU_HOUR)
    with pytest.raises(discord.NotFound):
        await (await robot.fetch_entitlement(int(bought["id"]))).delete()


async def test_subscriptions_are_read_by_person(local: LocalDiscord, robot: Robot) -> None:
    await local.buy(FINN, shelf.PAID_MONTHLY)
    skus = {sku.name: sku for sku in await robot.fetch_skus()}
    sku = skus["Paid plan"]
    (going,) = [s async for s in sku.subscriptions(user=discord.Object(int(FINN.id)))]
    assert going.status is discord.SubscriptionStatus.active
    assert going.current_period_end - going.current_period_start == timedelta(days=30)
    assert [s async for s in sku.subscriptions(user=discord.Object(int(PAULA.id)))] == []


async def test_an_interaction_tells_what_its_person_and_its_server_have(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.buy(FINN, shelf.PAID_MONTHLY)
    await local.buy(PAULA, shelf.SERVER_MONTHLY)
    opened = await ask(local, robot)
    skus = {each.sku_id for each in opened.entitlements}
    assert skus == {int(shelf.PAID_MONTHLY.id), int(shelf.SERVER_MONTHLY.id)}
