"""The local Discord for the bot's own tests; every body the bot sends is judged at the end."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import discord
import pytest

from bot.__main__ import point_at
from bot.emulator import people
from bot.emulator.client import LocalDiscord
from bot.emulator.openapi import Description
from shared.config import DiscordSettings
from shared.jobs import Route
from tests.bot.clerk import Clerk

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def description() -> Description | None:
    chosen = os.environ.get("PICTOR_DISCORD_OPENAPI")
    path = Path(chosen) if chosen else ROOT.parent / "shared" / "discord" / "openapi.json"
    if path.is_file():
        return Description.load(path)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must judge bodies by Discord's description, but {path} is missing")
    return None


@pytest.fixture
async def local(description: Description | None) -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord.start(description=description) as running:
        yield running
        assert await running.violations() == []


@pytest.fixture
def pointed(local: LocalDiscord) -> Iterator[DiscordSettings]:
    route, gateway = discord.http.Route, discord.gateway.DiscordWebSocket
    before = route.BASE, gateway.DEFAULT_GATEWAY
    settings = DiscordSettings(api_base=local.api, gateway_url=local.gateway)
    point_at(settings)
    yield settings
    route.BASE, gateway.DEFAULT_GATEWAY = before


@asynccontextmanager
async def connected(client: discord.Client, local: LocalDiscord) -> AsyncIterator[None]:
    """Logged in, ready, commands published; gone after the block."""
    task = asyncio.create_task(client.start(local.token))
    ready = asyncio.create_task(local.wait_bot())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        if task.done():
            task.result()
        yield
    finally:
        ready.cancel()
        await client.close()
        await asyncio.wait({task}, timeout=5)


@pytest.fixture
async def clerk(local: LocalDiscord, pointed: DiscordSettings) -> AsyncIterator[Clerk]:
    client = Clerk()
    async with connected(client, local):
        yield client


@pytest.fixture
async def route(clerk: Clerk, local: LocalDiscord) -> Route:
    await local.slash(people.FINN, "imagine", prompt="a boat")
    return await asyncio.wait_for(clerk.routes.get(), 10)
