"""discord.py, unchanged, talks to the local Discord over real sockets."""

import asyncio
import io

import aiohttp
import discord
import pytest

from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import FINN, MODERATORS_CHANNEL_ID, MONA, PAULA
from tests.bot.emulator.conftest import channel_of, eventually, running
from tests.bot.emulator.robot import PIXEL, Robot


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
    names = {channel.name for channel in guild.channels}
    assert names == {"imagine", "after-dark", "moderators", "mod-log"}
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
    with pytest.raises(Refused, match="cannot see that message"):
        await local.delete_message(MONA, message["id"])
    await local.delete_message(FINN, message["id"])
    assert await local.messages(FINN) == []


async def test_the_page_hears_only_what_its_person_may(local: LocalDiscord, robot: Robot) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{local.url}/_emulator/events?user={PAULA.id}") as feed,
    ):
        assert (await feed.receive_json(timeout=5))["event"] == "HELLO"
        await local.slash(FINN, "whisper")
        await local.wait_message(lambda m: m["content"] == "psst", 5)
        await local.say(MONA, "for moderators", MODERATORS_CHANNEL_ID)
        await local.say(FINN, "for all")
        heard = await feed.receive_json(timeout=5)
        assert (heard["event"], heard["data"]["content"]) == ("MESSAGE_CREATE", "for all")


async def test_a_silent_bot_completes_nothing(local: LocalDiscord, robot: Robot) -> None:
    await robot.close()
    asking = asyncio.create_task(local.autocomplete(FINN, "paint", "colour", colour="r"))
    await asyncio.sleep(0.05)
    await local.advance(3.1)
    assert await asyncio.wait_for(asking, 2) == []


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
