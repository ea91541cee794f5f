"""Subcommands and their options, who is offered what, and who may do what, as discord.py sees it."""

import re
from typing import Any

import aiohttp
import discord
import pytest

from bot.emulator import people, permissions
from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import ADA, FINN, MONA, OTTO, PAULA, PICTOR
from bot.emulator.world import World
from tests.bot.emulator.conftest import eventually
from tests.bot.emulator.robot import PIXEL, Robot


async def test_commands_are_kept_as_discord_keeps_them(local: LocalDiscord, robot: Robot) -> None:
    assert local.emulator is not None
    listed = local.emulator.world.commands[""].values()
    (mod,) = (command for command in listed if command["name"] == "mod")
    assert (mod["contexts"], mod["integration_types"]) == ([0], [0])
    assert mod["default_member_permissions"] == str(permissions.MODERATE_MEMBERS)
    (user,) = (option for option in mod["options"] if option["name"] == "user")
    who, days, quiet, proof = user["options"]
    assert who == {"type": 6, "name": "who", "description": "…", "required": True}
    assert (days["min_value"], days["max_value"]) == (1, 30)
    assert "required" not in quiet | proof
    (whisper,) = (command for command in listed if command["name"] == "whisper")
    assert "options" not in whisper
    assert whisper["contexts"] is None


async def said(local: LocalDiscord, start: str, *, channel: str = "") -> str:
    found = await local.wait_message(
        lambda m: m["content"].startswith(start), 5, user=MONA, channel=channel
    )
    return str(found["content"])


async def test_options_of_every_kind_in_a_subcommand(local: LocalDiscord, robot: Robot) -> None:
    proof = await local.upload(MONA, "proof of it.png", PIXEL)
    await local.slash(MONA, "mod user", who=PAULA.id, days="7", quiet="True", proof=proof)
    assert await said(local, "paula") == f"paula 7 True False proof_of_it.png 1x1 {len(PIXEL)}"
    await local.slash(MONA, "mod user", who=MONA.id, days=1)
    assert await said(local, "mona") == "mona 1 False True"
    assert await local.violations() == []


async def test_subcommands_of_groups_are_completed(local: LocalDiscord, robot: Robot) -> None:
    typed = {"term": "sec", "category": "hate"}
    choices = await local.autocomplete(MONA, "mod blocklist add", "term", **typed)
    assert [choice["value"] for choice in choices] == ["second term"]
    await local.slash(MONA, "mod blocklist add", term="second term", category="hate")
    assert await said(local, "hate") == "hate: second term"
    message = (await local.messages(MONA))[-1]
    assert message["interaction_metadata"]["name"] == "mod blocklist add"


@pytest.mark.parametrize(
    ("command", "options", "why"),
    [
        ("mod user", {"who": "1", "days": 1}, "nothing with the id '1'"),
        ("mod user", {"who": FINN.id, "days": 31}, "at most 30"),
        ("mod user", {"who": FINN.id, "days": "x"}, "must be a number"),
        ("mod user", {"who": FINN.id, "days": 1, "quiet": "maybe"}, "True or False"),
        ("mod user", {"who": FINN.id, "days": 1, "proof": "77"}, "nothing with the id '77'"),
        ("mod blocklist", {}, "choose one of: add"),
        ("mod blocklist remove", {}, "no subcommand 'remove'"),
    ],
)
async def test_what_does_not_fit_is_refused(
    local: LocalDiscord, robot: Robot, command: str, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await local.slash(MONA, command, **options)


async def test_commands_are_offered_by_permission_place_and_age(
    local: LocalDiscord, robot: Robot
) -> None:
    with pytest.raises(Refused, match="no command /mod"):
        await local.slash(FINN, "mod queue")
    with pytest.raises(Refused, match="no command /mod"):
        await local.slash(MONA, "mod queue", channel=await local.direct(MONA))
    with pytest.raises(Refused, match="no command /adult"):
        await local.slash(MONA, "adult")
    await local.slash(OTTO, "mod queue")
    dark = people.AFTER_DARK_CHANNEL_ID
    await local.slash(FINN, "adult", channel=dark)
    assert await said(local, "nsfw", channel=dark) == "nsfw True"


@pytest.mark.parametrize(
    ("who", "manages", "everything"),
    [(FINN, False, False), (MONA, True, False), (OTTO, True, True), (ADA, True, True)],
    ids=lambda each: each.username if isinstance(each, people.Person) else "",
)
async def test_members_come_with_their_permissions(
    local: LocalDiscord,
    robot: Robot,
    who: people.Person,
    manages: bool,
    everything: bool,
) -> None:
    await local.slash(who, "silent")
    await eventually(lambda: robot.interactions)
    (interaction,) = robot.interactions
    assert interaction.permissions.manage_messages is manages
    assert interaction.permissions.administrator is everything
    assert interaction.app_permissions.manage_messages
    assert not interaction.app_permissions.administrator
    member = interaction.user
    assert isinstance(member, discord.Member)
    assert member.guild_permissions.moderate_members is manages


def test_our_bits_are_discords() -> None:
    assert discord.Permissions.all().value == permissions.ALL
    for name, bit in permissions.BITS.items():
        assert discord.Permissions(**{name: True}).value == bit
    assert discord.Permissions(permissions.MODERATOR).moderate_members


async def test_private_channels_are_private_to_roles_and_administrators(
    local: LocalDiscord, robot: Robot
) -> None:
    log = people.MOD_LOG_CHANNEL_ID
    (guild,) = robot.guilds
    channel = guild.get_channel(int(log))
    assert isinstance(channel, discord.TextChannel)
    assert not channel.permissions_for(guild.default_role).view_channel
    await channel.send("for staff")
    for who in (MONA, ADA, OTTO):
        assert [m["content"] for m in await local.messages(who, log)] == ["for staff"]
    with pytest.raises(Refused, match="cannot see"):
        await local.messages(FINN, log)


def test_what_is_lost_is_lost_in_one_channel_only() -> None:
    world = World(token="t")
    here, there = (world.channel(id) for id in list(world.channels)[:2])
    world.rules.lost_permissions[here.id] = permissions.SEND_MESSAGES
    assert not world.bot_permissions(here) & permissions.SEND_MESSAGES
    assert world.bot_permissions(there) & permissions.SEND_MESSAGES
    assert world.permissions(FINN.id, here) & permissions.SEND_MESSAGES
    assert world.permissions(PICTOR.id, there) & permissions.SEND_MESSAGES


async def test_a_strangers_direct_channel_is_seen_by_two(local: LocalDiscord, robot: Robot) -> None:
    sent = await (await robot.fetch_user(int(PAULA.id))).send("a word from the moderators")
    with pytest.raises(Refused, match="cannot see"):
        await local.messages(ADA, str(sent.channel.id))
    (message,) = await local.messages(PAULA, str(sent.channel.id))
    assert message["content"] == "a word from the moderators"


async def test_direct_interactions_have_a_user_and_no_member(
    local: LocalDiscord, robot: Robot
) -> None:
    await local.slash(PAULA, "silent", channel=await local.direct(PAULA))
    await eventually(lambda: robot.interactions)
    (interaction,) = robot.interactions
    assert isinstance(interaction.user, discord.User)
    assert interaction.guild_id is None
    assert interaction.context.dm_channel
    assert not interaction.is_guild_integration()


async def test_options_files_are_ephemeral_and_served(local: LocalDiscord, robot: Robot) -> None:
    await local.bend(max_file_bytes=3)
    with pytest.raises(Refused, match="too large"):
        await local.upload(FINN, "a.png", PIXEL)
    await local.bend(max_file_bytes=10_000)
    proof = await local.upload(MONA, "SPOILER_x.webp", PIXEL)
    await local.slash(MONA, "mod user", who=FINN.id, days=1, proof=proof)
    await said(local, "finn")
    assert robot.interactions[-1].data is not None
    (resolved,) = robot.interactions[-1].data["resolved"]["attachments"].values()  # type: ignore[typeddict-item]
    assert resolved["ephemeral"] is True
    assert resolved["flags"] == 1 << 3
    assert (resolved["content_type"], resolved["size"]) == ("image/webp", len(PIXEL))
    assert f"/cdn/ephemeral-attachments/{people.APPLICATION_ID}/{proof}/" in resolved["url"]
    assert await local.fetch(resolved["url"]) == PIXEL


async def test_addresses_of_options_files_are_signed_and_end(local: LocalDiscord) -> None:
    assert local.emulator is not None
    world = local.emulator.world
    url = local.emulator.actions.upload("x.png", PIXEL)["url"]
    assert await local.fetch(url) == PIXEL
    bare, _, query = url.partition("?")
    later = re.sub("ex=[^&]+", f"ex={int(world.clock.now()) + 10**6:x}", url)
    for other in (bare, f"{bare}?{query[:-1]}", later):
        with pytest.raises(aiohttp.ClientResponseError, match="404"):
            await local.fetch(other)
    await local.advance(24 * 3600 + 1)
    with pytest.raises(aiohttp.ClientResponseError, match="404"):
        await local.fetch(url)
