"""Long waits on a fake clock: 14:59 to 25 h, by each way that a job may have been asked for.

A row of RELIABILITY.md's table each: what arrives, where, and how often Discord said no meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.emulator import people
from bot.emulator.client import LocalDiscord
from bot.mail import DEAD_FOR, Later, Mail, Shut
from bot.reception import open_public
from bot.traffic import traced
from bot.ways import REPAINTING, Way
from bot.whereabouts import route_to
from shared.config import DiscordSettings
from shared.jobs import JobState, Reach, Route
from shared.pace import MOST_REFUSED, Pace
from tests.bot.connecting import connected
from tests.bot.making import NOWHERE, PAINTER, Shown, make_job
from tests.reading import buttons_of

ANY = frozenset(Way)
JOB = make_job(JobState.SUCCEEDED)
DONE = PAINTER.paint(JOB, people.FINN.id, pictures=(Shown("grid", 0, "grid.webp"),))
DRAWING = PAINTER.paint(make_job(JobState.RUNNING), people.FINN.id)
AGES = (
    timedelta(minutes=14, seconds=59),
    timedelta(minutes=15, seconds=1),
    timedelta(minutes=59, seconds=59),
    timedelta(minutes=61),
    timedelta(hours=23),
    timedelta(hours=25),
)
YOUNG, OLD = 3, 3  # of those ages; an hour lies between


class Office(discord.Client):
    """Takes jobs in, in public or in private, wherever people may take it along."""

    def __init__(self) -> None:
        self.pace = Pace()
        super().__init__(
            intents=discord.Intents(guilds=True),
            max_ratelimit_timeout=30.0,
            http_trace=traced(self.pace),
        )
        self.routes: asyncio.Queue[Route] = asyncio.Queue()
        self.tree = app_commands.CommandTree(
            self,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        for name, callback in (("imagine", self.take), ("whisper", self.hide)):
            self.tree.add_command(
                app_commands.Command(name=name, description="-", callback=callback)
            )

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def take(self, interaction: discord.Interaction) -> None:
        self.routes.put_nowait(await open_public(interaction))

    async def hide(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        original = await interaction.original_response()
        self.routes.put_nowait(route_to(interaction, original.id, ephemeral=True))


@pytest.fixture
async def office(local: LocalDiscord, pointed: DiscordSettings) -> AsyncIterator[Office]:
    await local.bend(rate_limits=False)
    client = Office()
    async with connected(client, local):
        yield client


async def ask(
    office: Office, local: LocalDiscord, *, channel: str = "", command: str = "imagine"
) -> Route:
    await local.slash(people.FINN, command, channel=channel)
    return await asyncio.wait_for(office.routes.get(), 10)


async def answers(local: LocalDiscord, since: int = 0) -> list[int]:
    return [entry["status"] for entry in (await local.requests())[since:] if entry["status"] >= 400]


async def direct_messages(local: LocalDiscord) -> int:
    """How many finished pictures came to Finn alone."""
    channel = await local.direct(people.FINN)
    return sum(map(is_done, await local.messages(people.FINN, channel)))


def is_done(message: dict[str, Any]) -> bool:
    return "U1" in buttons_of(message)


async def deliver_at_each_age(
    office: Office, local: LocalDiscord, routes: list[Route], *, thread: str = ""
) -> list[Route]:
    """One job for each age; the clock of Discord and ours go forward together."""
    mail, start, went, before = Mail(office, NOWHERE), datetime.now(UTC), [], timedelta()
    for number, (route, age) in enumerate(zip(routes, AGES, strict=True)):
        await local.advance((age - before).total_seconds())
        if thread:
            await local.archive(thread)
        job = make_job(JobState.SUCCEEDED, id=type(JOB.id)(int=number + 1))
        went.append(await mail.deliver(DONE, job, route, now=start + age, allowed=ANY))
        before = age
    return went


async def test_a_server_that_the_bot_is_in(office: Office, local: LocalDiscord) -> None:
    routes = [await ask(office, local) for _ in AGES]
    assert {route.reach for route in routes} == {Reach.BOT_EDIT}
    went = await deliver_at_each_age(office, local, routes)
    same = [new.message_id == old.message_id for new, old in zip(went, routes, strict=True)]
    assert same == [True] * YOUNG + [False] * OLD
    for route in went:
        assert is_done(await local.message(route.message_id))
    assert await answers(local) == [429] * OLD  # one 30046 each: never tried again


async def test_direct_messages_with_the_bot(office: Office, local: LocalDiscord) -> None:
    channel = await local.direct(people.FINN)
    routes = [await ask(office, local, channel=channel) for _ in AGES]
    assert {route.reach for route in routes} == {Reach.DM}
    went = await deliver_at_each_age(office, local, routes)
    assert {route.channel_id for route in went} == {channel}
    same = [new.message_id == old.message_id for new, old in zip(went, routes, strict=True)]
    assert same == [True] * YOUNG + [False] * OLD


@pytest.mark.parametrize("place", [people.LOUNGE_CHANNEL_ID, people.GROUP_CHANNEL_ID, ""])
async def test_what_only_a_token_reaches_comes_as_a_direct_message(
    office: Office, local: LocalDiscord, place: str
) -> None:
    """Added to an account, in a server or a group without the bot; and private answers."""
    command = "imagine" if place else "whisper"
    routes = [await ask(office, local, channel=place, command=command) for _ in AGES]
    assert {route.reach for route in routes} == {Reach.TOKEN}
    fresh = await Mail(office, NOWHERE).deliver(
        DRAWING, JOB, routes[0], now=datetime.now(UTC), allowed=REPAINTING
    )
    assert fresh == routes[0]
    went = await deliver_at_each_age(office, local, routes)
    assert {route.reach for route in went} == {Reach.DM}
    assert await direct_messages(local) == len(AGES)
    assert await answers(local) == []  # nothing was tried that could only be refused


async def test_an_archived_thread(office: Office, local: LocalDiscord) -> None:
    thread = await local.start_thread(people.FINN)
    routes = [await ask(office, local, channel=thread) for _ in AGES]
    went = await deliver_at_each_age(office, local, routes, thread=thread)
    assert {route.channel_id for route in went} == {thread}
    assert all(new.message_id != old.message_id for new, old in zip(went, routes, strict=True))
    await local.archive(thread, locked=True)
    late = datetime.now(UTC) + timedelta(hours=26)
    locked = await Mail(office, NOWHERE).deliver(DONE, JOB, routes[0], now=late, allowed=ANY)
    assert locked.reach is Reach.DM


async def test_a_refused_token_and_a_shut_channel_are_tried_once(
    office: Office, local: LocalDiscord
) -> None:
    mail, now = Mail(office, NOWHERE), datetime.now(UTC)
    routes = [await ask(office, local) for _ in range(3)]
    bad = replace(routes[0], token="x" * 40)
    await mail.deliver(DRAWING, JOB, bad, now=now, allowed=REPAINTING)
    since = len(await local.requests())
    await mail.deliver(DONE, JOB, bad, now=now, allowed=ANY)
    assert await answers(local, since) == []
    await local.lose_permissions("view_channel")
    tokenless = [replace(route, token=None) for route in routes]
    with pytest.raises(Shut):
        await mail.deliver(DRAWING, JOB, tokenless[0], now=now, allowed=REPAINTING)
    since = len(await local.requests())
    for route in tokenless:
        with pytest.raises(Shut, match="the channel is shut"):
            await mail.deliver(DRAWING, JOB, route, now=now, allowed=REPAINTING)
    assert (await mail.deliver(DONE, JOB, tokenless[1], now=now, allowed=ANY)).reach is Reach.DM
    assert await answers(local, since) == []
    await local.lose_permissions()
    later = await mail.deliver(DONE, JOB, tokenless[2], now=now + DEAD_FOR, allowed=ANY)
    assert later.message_id == tokenless[2].message_id


@pytest.mark.parametrize("rule", [200000, 240000])
async def test_what_automod_stops_comes_as_a_direct_message(
    office: Office, local: LocalDiscord, rule: int
) -> None:
    route = await ask(office, local)
    await local.bend(automod=rule)
    went = await Mail(office, NOWHERE).deliver(DONE, JOB, route, now=datetime.now(UTC), allowed=ANY)
    assert went.reach is Reach.DM
    assert await answers(local) == [403]


async def test_nobody_listens_in_discord(office: Office, local: LocalDiscord) -> None:
    silent = replace(await ask(office, local), reach=Reach.API_ONLY)
    since = len(await local.requests())
    with pytest.raises(Shut):
        await Mail(office, NOWHERE).deliver(DONE, JOB, silent, now=datetime.now(UTC), allowed=ANY)
    assert len(await local.requests()) == since


async def test_after_too_many_refusals_progress_rests_and_ends_go_on(
    office: Office, local: LocalDiscord
) -> None:
    mail, now, route = Mail(office, NOWHERE), datetime.now(UTC), await ask(office, local)
    for _ in range(MOST_REFUSED):
        await office.pace.note_refused()
    since = len(await local.requests())
    for token in (route.token, None):
        with pytest.raises(Later, match="refused in ten minutes"):
            await mail.deliver(
                DRAWING, JOB, replace(route, token=token), now=now, allowed=REPAINTING
            )
    assert len(await local.requests()) == since
    await mail.deliver(DONE, JOB, replace(route, token=None), now=now, allowed=ANY)
    await ask(office, local)  # and people are answered


async def test_refusals_are_counted_and_shared_limits_are_not(
    office: Office, local: LocalDiscord
) -> None:
    await local.lose_permissions("send_messages")
    with pytest.raises(discord.Forbidden):
        await office.get_partial_messageable(int(people.IMAGINE_CHANNEL_ID)).send("x")
    with pytest.raises(discord.NotFound):
        await office.fetch_channel(1)
    assert office.pace.refused_lately() == 1


async def test_without_permissions_nothing_is_taken_in(office: Office, local: LocalDiscord) -> None:
    refused: list[Exception] = []
    office.tree.on_error = _note_in(refused)  # type: ignore[method-assign, assignment]
    await local.lose_permissions("embed_links", "attach_files")
    await local.slash(people.FINN, "imagine")
    async with asyncio.timeout(5):
        while not refused:
            await asyncio.sleep(0.02)
    told = str(refused[0].__cause__ or refused[0])
    assert "Embed Links, Attach Files" in told
    assert office.routes.empty()


def _note_in(refused: list[Exception]) -> object:
    async def note(_: discord.Interaction, error: Exception) -> None:
        refused.append(getattr(error, "original", error))

    return note
