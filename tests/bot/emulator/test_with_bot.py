"""discord.py, unchanged, talks to the local Discord over real sockets."""

import asyncio
import dataclasses
import io
from typing import Any

import discord
import pytest

from bot.emulator import ratelimits
from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import FINN, IMAGINE_CHANNEL_ID, MONA, PAULA
from tests.bot.emulator.conftest import running
from tests.bot.emulator.robot import PIXEL, Robot


def channel_of(robot: Robot) -> discord.TextChannel:
    channel = robot.get_channel(int(IMAGINE_CHANNEL_ID))
    assert isinstance(channel, discord.TextChannel)
    return channel


async def eventually(check: Any, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.02)


async def ask(local: LocalDiscord, robot: Robot) -> discord.Interaction:
    """An interaction that nobody answers, in the robot's hands."""
    await local.slash(FINN, "silent")
    await eventually(lambda: robot.interactions)
    return robot.interactions[-1]


async def test_logs_in_and_tells_its_commands(local: LocalDiscord, robot: Robot) -> None:
    names = {command.name for command in await robot.tree.fetch_commands()}
    assert {"paint", "counter", "choices"} <= names
    assert robot.application_id == int("1100000000000000001")
    assert await local.violations() == []


async def test_a_wrong_token_is_refused(local: LocalDiscord, point_at: None) -> None:
    robot = Robot()
    with pytest.raises(discord.LoginFailure):
        await robot.start("wrong")
    await robot.close()


async def test_guild_channel_and_members_arrive(robot: Robot) -> None:
    (guild,) = robot.guilds
    assert {channel.name for channel in guild.channels} == {"imagine", "moderators"}
    paula = await guild.fetch_member(int(PAULA.id))
    assert [role.name for role in paula.roles] == ["@everyone", "Paid"]
    assert guild.me.guild_permissions.manage_messages


async def test_defer_then_edit(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "paint", prompt="boat", colour="blue", count=2)
    message = await local.wait_message(lambda m: m["content"] == "2 blue boat", 5)
    assert message["edited_timestamp"] is None
    assert message["interaction"]["name"] == "paint"
    member = robot.interactions[0].user
    assert isinstance(member, discord.Member)
    assert [role.name for role in member.roles] == ["@everyone", "Free"]
    assert await local.violations() == []


async def test_options_are_checked_as_discord_checks_them(
    local: LocalDiscord, robot: Robot
) -> None:
    with pytest.raises(Refused, match="count must be at most 4"):
        await local.slash(FINN, "paint", prompt="boat", count=5)
    with pytest.raises(Refused, match="prompt is required"):
        await local.slash(FINN, "paint")
    with pytest.raises(Refused, match="no option 'size'"):
        await local.slash(FINN, "paint", prompt="boat", size=1)
    with pytest.raises(Refused, match="no command /nothing"):
        await local.slash(FINN, "nothing")


async def test_autocomplete(local: LocalDiscord, robot: Robot) -> None:
    choices = await local.autocomplete(FINN, "paint", "colour", prompt="boat", colour="re")
    assert [choice["value"] for choice in choices] == ["red", "green"]
    assert await local.violations() == []


async def test_subcommands(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(MONA, "settings speed", value="turbo")
    message = await local.wait_message(lambda m: "turbo" in m["content"], 5, user=MONA)
    assert message["interaction"]["name"] == "settings speed"
    with pytest.raises(Refused, match="choose one of: speed"):
        await local.slash(MONA, "settings")


async def test_ephemeral_is_for_one_and_out_of_the_bot_tokens_reach(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.slash(FINN, "whisper")
    message = await local.wait_message(lambda m: m["content"] == "psst", 5)
    assert message["flags"] & 64
    assert await local.messages(PAULA) == []
    with pytest.raises(discord.NotFound) as caught:
        await channel_of(robot).get_partial_message(int(message["id"])).edit(content="loud")
    assert caught.value.code == 10008
    await local.delete_message(FINN, message["id"])
    assert await local.messages(FINN) == []


async def test_attachments_and_embeds_are_served(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "picture")
    first = await local.wait_message(lambda m: bool(m["attachments"]), 5)
    (attachment,) = first["attachments"]
    assert (attachment["width"], attachment["height"]) == (1, 1)
    assert attachment["description"] == "one pixel"
    assert first["embeds"][0]["image"]["url"] == attachment["url"]
    assert await local.fetch(attachment["url"]) == PIXEL
    second = await local.wait_message(lambda m: "second" in m["content"], 5)
    assert second["message_reference"]["message_id"] == first["id"]
    assert "interaction" not in second
    assert await local.violations() == []


async def test_select_modal_and_slow_button(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "choices")
    message = await local.wait_message(lambda m: m["content"] == "choose", 5)
    await local.click(FINN, message["id"], "pick", ["green"])
    await local.wait_message(lambda m: m["content"] == "picked green", 5)
    opened = await local.click(FINN, message["id"], "write")
    assert (await local.wait_interaction(opened))["modal"]["title"] == "A note"
    with pytest.raises(Refused, match="required"):
        await local.submit(FINN, opened)
    await local.submit(FINN, opened, text="hello")
    await local.wait_message(lambda m: m["content"] == "noted: hello", 5)
    await local.click(FINN, message["id"], "slow")
    await local.wait_message(lambda m: m["content"] == "here at last", 5)
    with pytest.raises(Refused, match="no option 'pink'"):
        await local.click(FINN, message["id"], "pick", ["pink"])
    assert await local.violations() == []


async def test_buttons_outlive_the_bot(local: LocalDiscord, point_at: None) -> None:
    async with running(local, Robot()):
        await local.slash(FINN, "counter")
        message = await local.wait_message(lambda m: m["content"] == "count me", 5)
    unanswered = await local.click(FINN, message["id"], "count:1")
    await local.advance(3.1)
    assert (await local.wait_interaction(unanswered))["state"] == "failed"
    async with running(local, Robot()):
        await local.click(FINN, message["id"], "count:1")
        await local.wait_message(lambda m: m["content"] == "counted 1", 5)
        await local.click(PAULA, message["id"], "count:2")
        await local.wait_message(lambda m: m["content"] == "counted 2", 5)
    assert await local.violations() == []


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


async def test_resumes_after_a_lost_socket(local: LocalDiscord, robot: Robot) -> None:
    await local.disturb_gateway("drop")
    await local.say(FINN, "said while the socket was down")
    await eventually(lambda: robot.resumes == 1, 10)
    await local.slash(FINN, "whisper")
    await local.wait_message(lambda m: m["content"] == "psst", 5)
    assert local.emulator is not None
    assert local.emulator.gateway.roster.identifies == 1
    said = [m.content async for m in channel_of(robot).history() if m.author.name == "finn"]
    assert said == ["said while the socket was down"]


async def test_an_interaction_during_the_gap_is_replayed(local: LocalDiscord, robot: Robot) -> None:
    await local.disturb_gateway("drop")
    await local.slash(FINN, "whisper")
    await local.wait_message(lambda m: m["content"] == "psst", 10)


@pytest.mark.parametrize(("resumable", "identifies"), [(True, 1), (False, 2)])
async def test_invalid_session(
    local: LocalDiscord, robot: Robot, resumable: bool, identifies: int
) -> None:
    assert local.emulator is not None
    roster = local.emulator.gateway.roster
    await local.disturb_gateway("invalidate", resumable=resumable)
    await eventually(lambda: roster.identifies == identifies and roster.connected(), 15)
    await local.slash(FINN, "whisper")
    await local.wait_message(lambda m: m["content"] == "psst", 5)


async def test_reconnect_asked_for(local: LocalDiscord, robot: Robot) -> None:
    await local.disturb_gateway("reconnect")
    await eventually(lambda: robot.resumes == 1, 10)


async def test_two_bots_hear_the_same(local: LocalDiscord, robot: Robot) -> None:
    async with running(local, Robot()) as second:
        await eventually(second.is_ready, 10)
        await local.slash(FINN, "silent")
        await eventually(lambda: robot.interactions and second.interactions)
        assert robot.interactions[0].id == second.interactions[0].id


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
    with pytest.raises(discord.NotFound) as caught:
        await channel.send("hush")
    assert caught.value.code == 10003
    await eventually(lambda: robot.get_channel(channel.id) is None)


async def test_direct_messages(local: LocalDiscord, robot: Robot) -> None:
    user = await robot.fetch_user(int(PAULA.id))
    await user.send("just us", file=discord.File(io.BytesIO(PIXEL), "p.png"))
    there = await local.direct(PAULA)
    assert [m["content"] for m in await local.messages(PAULA, there)] == ["just us"]
    await local.close_direct(PAULA)
    with pytest.raises(discord.Forbidden) as caught:
        await user.send("anyone?")
    assert caught.value.code == 50007
    await local.slash(PAULA, "whisper", channel=there)
    await local.wait_message(lambda m: m["content"] == "psst", 5, user=PAULA, channel=there)


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
