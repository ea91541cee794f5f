"""Threads, and places that the bot is no member of: what its token may do there, and what an answer may."""

from collections.abc import AsyncIterator

import discord
import pytest
from discord import app_commands

from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import ADA, FINN, GROUP_CHANNEL_ID, GUILD_ID, LOUNGE_CHANNEL_ID, PAULA
from tests.bot.emulator.conftest import eventually, running
from tests.bot.emulator.robot import Robot


class Traveller(Robot):
    """With one command that goes along on people's accounts."""

    async def setup_hook(self) -> None:
        @self.tree.command(description="Goes anywhere")
        @app_commands.allowed_installs(guilds=True, users=True)
        @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
        async def roam(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("here")

        await super().setup_hook()


@pytest.fixture
async def robot(local: LocalDiscord, point_at: None) -> AsyncIterator[Robot]:
    async with running(local, Traveller()) as started:
        yield started


async def roam(local: LocalDiscord, robot: Robot, channel: str) -> discord.Interaction:
    await local.wait_interaction(await local.slash(FINN, "roam", channel=channel))
    return robot.interactions[-1]


def code(number: int) -> pytest.RaisesExc[discord.HTTPException]:
    return pytest.raises(discord.HTTPException, check=lambda error: error.code == number)


async def test_an_account_takes_the_application_along(local: LocalDiscord, robot: Robot) -> None:
    away = await roam(local, robot, LOUNGE_CHANNEL_ID)
    assert (away.is_guild_integration(), away.is_user_integration()) == (False, True)
    assert away.guild is not None
    assert not away.app_permissions.view_channel
    group = await roam(local, robot, GROUP_CHANNEL_ID)
    assert group.context.private_channel
    here = await roam(local, robot, "")
    assert (here.is_guild_integration(), here.is_user_integration()) == (True, True)
    await local.install(FINN, installed=False)
    with pytest.raises(Refused, match="no command /roam"):
        await local.slash(FINN, "roam", channel=LOUNGE_CHANNEL_ID)
    assert not (await roam(local, robot, "")).is_user_integration()


async def test_commands_of_the_server_stay_in_it(local: LocalDiscord, robot: Robot) -> None:
    with pytest.raises(Refused, match="no command /counter"):
        await local.slash(FINN, "counter", channel=LOUNGE_CHANNEL_ID)
    with pytest.raises(Refused, match="cannot see"):
        await local.slash(ADA, "roam", channel=GROUP_CHANNEL_ID)


async def test_the_bots_token_opens_nothing_where_it_is_no_member(
    local: LocalDiscord, robot: Robot
) -> None:
    away = await roam(local, robot, LOUNGE_CHANNEL_ID)
    channel = robot.get_partial_messageable(int(LOUNGE_CHANNEL_ID))
    original = await away.original_response()
    with code(50001):
        await channel.send("x")
    with code(50001):
        await channel.get_partial_message(original.id).edit(content="x")
    with code(50001):
        await robot.fetch_guild(int(away.guild_id or 0))
    await away.edit_original_response(content="through the token")
    assert (await local.message(str(original.id)))["content"] == "through the token"


async def test_five_more_messages_are_all_that_an_account_may_have(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.bend(rate_limits=False)
    away, here = [await roam(local, robot, place) for place in (LOUNGE_CHANNEL_ID, "")]
    for number in range(5):
        await away.followup.send(str(number))
        await here.followup.send(str(number))
    with code(40094):
        await away.followup.send("one too many")
    await here.followup.send("no limit here")


async def test_a_server_may_hide_the_answers_of_strangers(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.bend(outside_answers_hidden=True)
    await roam(local, robot, LOUNGE_CHANNEL_ID)
    assert len(await local.messages(FINN, LOUNGE_CHANNEL_ID)) == 1
    assert await local.messages(PAULA, LOUNGE_CHANNEL_ID) == []


async def test_an_archived_thread_takes_no_edits_and_words_open_it_again(
    local: LocalDiscord, robot: Robot
) -> None:
    thread_id = await local.start_thread(FINN, "boats")
    guild = robot.get_guild(int(GUILD_ID))
    assert guild
    await eventually(lambda: guild.get_thread(int(thread_id)))
    opened = await roam(local, robot, thread_id)
    original = await opened.original_response()
    thread = robot.get_partial_messageable(int(thread_id))
    await local.archive(thread_id)
    with code(50083):
        await thread.get_partial_message(original.id).edit(content="x")
    with code(50083):
        await opened.edit_original_response(content="x")
    await thread.send("open")
    await thread.get_partial_message(original.id).edit(content="edited")
    await local.archive(thread_id, locked=True)
    with code(50083):
        await thread.send("shut")


async def test_a_thread_has_its_parents_rules(local: LocalDiscord, robot: Robot) -> None:
    thread_id = await local.start_thread(FINN)
    thread = robot.get_partial_messageable(int(thread_id))
    await local.lose_permissions("send_messages")
    await thread.send("another permission")
    await local.lose_permissions("send_messages_in_threads")
    with code(50013):
        await thread.send("x")
    await local.delete_channel(thread_id)
    with code(10003):
        await thread.send("x")


async def test_automod_stops_what_it_does_not_like(local: LocalDiscord, robot: Robot) -> None:
    opened = await roam(local, robot, "")
    await local.bend(automod=200000)
    with code(200000):
        await opened.edit_original_response(content="x")
