import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import discord
import pytest
import yarl

from bot.emulator.client import LocalDiscord
from bot.emulator.openapi import Description
from bot.emulator.people import FINN, IMAGINE_CHANNEL_ID
from tests.bot.emulator.robot import Robot

ROOT = Path(__file__).parents[3]


def description_path() -> Path:
    chosen = os.environ.get("PICTOR_DISCORD_OPENAPI")
    return Path(chosen) if chosen else ROOT.parent / "shared" / "discord" / "openapi.json"


@pytest.fixture(scope="session")
def description() -> Description | None:
    path = description_path()
    if path.is_file():
        return Description.load(path)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must judge bodies by Discord's description, but {path} is missing")
    return None


@pytest.fixture
def judged(description: Description | None) -> Description:
    if description is None:
        pytest.skip(
            f"DISCORD'S DESCRIPTION IS MISSING: {description_path()}; "
            "set PICTOR_DISCORD_OPENAPI to judge the bot's bodies by it"
        )
    return description


@pytest.fixture
async def local(description: Description | None) -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord.start(description=description) as running:
        yield running


@asynccontextmanager
async def running(local: LocalDiscord, robot: Robot) -> AsyncIterator[Robot]:
    """The robot, connected and ready, until the end of the block."""
    task = asyncio.create_task(robot.start(local.token))
    try:
        ready = asyncio.create_task(_ready(robot, local))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=15)
        if task.done():
            task.result()
        assert ready.done(), "the robot did not get ready in 15 s"
        yield robot
    finally:
        await robot.close()
        await asyncio.wait({task}, timeout=5)


async def _ready(robot: Robot, local: LocalDiscord) -> None:
    await local.wait_bot()


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch, local: LocalDiscord) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", local.api)
    gateway = yarl.URL(local.gateway)
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)


@pytest.fixture
async def robot(local: LocalDiscord, point_at: None) -> AsyncIterator[Robot]:
    async with running(local, Robot()) as started:
        yield started


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
