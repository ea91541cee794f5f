"""Discord's rules, as a real bot meets them."""

import dataclasses
from typing import Any

import discord
import pytest

from bot.emulator import ratelimits
from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import FINN, MONA
from tests.bot.emulator.conftest import ask, channel_of, eventually
from tests.bot.emulator.robot import Robot


async def test_three_seconds_to_answer(local: LocalDiscord, robot: Robot) -> None:
    interaction = await ask(local, robot)
    await local.advance(3.1)
    assert (await local.interaction(str(interaction.id)))["state"] == "failed"
    with pytest.raises(discord.NotFound) as caught:
        await interaction.response.send_message("late")
    assert caught.value.code == 10062


async def test_only_one_first_answer(local: LocalDiscord, robot: Robot) -> None:
    interaction = await ask(local, robot)
    again = discord.Interaction(data=_payload(interaction), state=interaction._state)
    await interaction.response.send_message("first")
    with pytest.raises(discord.InteractionResponded):
        await interaction.response.send_message("second")
    with pytest.raises(discord.HTTPException) as caught:
        await again.response.send_message("from another process")
    assert caught.value.code == 40060


def _payload(interaction: discord.Interaction) -> Any:
    return {
        "id": interaction.id,
        "type": 2,
        "token": interaction.token,
        "version": 1,
        "application_id": interaction.application_id,
        "attachment_size_limit": 1,
    }


async def test_the_token_lives_fifteen_minutes(local: LocalDiscord, robot: Robot) -> None:
    interaction = await ask(local, robot)
    await interaction.response.defer()
    await local.advance(14 * 60)
    await interaction.edit_original_response(content="in time")
    message = await interaction.original_response()
    await local.advance(61)
    adapter = discord.webhook.async_.async_context.get()
    with pytest.raises(discord.HTTPException) as caught:
        await adapter.edit_original_interaction_response(
            interaction.application_id,
            interaction.token,
            session=interaction._session,
            payload={"content": "too late"},
        )
    assert (caught.value.status, caught.value.code) == (401, 50027)
    partial = channel_of(robot).get_partial_message(message.id)
    assert (await partial.edit(content="by the bot token")).content == "by the bot token"


async def test_messages_older_than_an_hour(local: LocalDiscord, robot: Robot) -> None:
    await local.bend(old_edit_retry_after=0.01, old_edits_allowed=1)
    message = await channel_of(robot).send("young")
    await local.advance(3601)
    await message.edit(content="the one edit that is left")
    with pytest.raises(discord.HTTPException) as caught:
        await message.edit(content="one too many")
    assert (caught.value.status, caught.value.code) == (429, 30046)


async def test_discord_py_reads_our_limits(
    local: LocalDiscord, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ("POST", "/channels/{channel_id}/messages")
    quick = dataclasses.replace(ratelimits.LIMITS[key], count=3, per=0.4)
    monkeypatch.setitem(ratelimits.LIMITS, key, quick)
    for n in range(7):
        await channel_of(robot).send(f"message {n}")
    statuses = [r["status"] for r in await local.requests() if r["path"].endswith("/messages")]
    assert statuses == [200] * 7


@pytest.mark.parametrize("everywhere", [False, True])
async def test_discord_py_waits_out_a_429(
    local: LocalDiscord, robot: Robot, everywhere: bool
) -> None:
    await local.add_fault("limit", "/messages$", seconds=0.1, times=1, everywhere=everywhere)
    await channel_of(robot).send("patience")
    statuses = [r["status"] for r in await local.requests() if r["path"].endswith("/messages")]
    assert statuses == [429, 200]


async def test_a_lost_answer_was_carried_out_all_the_same(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.add_fault("lose", "/messages$", times=1)
    with pytest.raises(OSError):
        await channel_of(robot).send("said once", nonce="job1")
    await channel_of(robot).send("said once", nonce="job1")
    assert [m["content"] for m in await local.messages(FINN)] == ["said once"]


async def test_faulty_bodies_are_refused_and_remembered(local: LocalDiscord, robot: Robot) -> None:
    with pytest.raises(discord.HTTPException) as caught:
        await channel_of(robot).send("x" * 2001)
    assert (caught.value.status, caught.value.code) == (400, 50035)
    assert "content" in str(caught.value)
    (violation,) = await local.violations()
    assert violation["path"].endswith("/messages")


async def test_permissions_and_lost_channels(local: LocalDiscord, robot: Robot) -> None:
    channel = channel_of(robot)
    await local.lose_permissions("send_messages")
    with pytest.raises(discord.Forbidden) as caught:
        await channel.send("hush")
    assert caught.value.code == 50013
    await local.lose_permissions("view_channel")
    with pytest.raises(discord.Forbidden) as caught:
        await channel.send("hush")
    assert caught.value.code == 50001
    await local.delete_channel()
    with pytest.raises(discord.NotFound) as gone:
        await channel.send("hush")
    assert gone.value.code == 10003
    await eventually(lambda: robot.get_channel(channel.id) is None)


async def test_a_deleted_message_cannot_be_edited(local: LocalDiscord, robot: Robot) -> None:
    message = await channel_of(robot).send("short-lived")
    with pytest.raises(Refused, match="only moderators"):
        await local.delete_message(FINN, str(message.id))
    await local.delete_message(MONA, str(message.id))
    with pytest.raises(discord.NotFound) as caught:
        await message.edit(content="?")
    assert caught.value.code == 10008


async def test_the_largest_legal_message_passes(local: LocalDiscord, robot: Robot) -> None:
    view = discord.ui.View(timeout=None)
    for n in range(25):
        view.add_item(discord.ui.Button(label="x" * 80, custom_id=f"{n:0100}", row=n // 5))
    embed = discord.Embed(title="t" * 256, description="d" * 4096)
    await channel_of(robot).send("x" * 2000, embed=embed, view=view)
    assert await local.violations() == []
