"""The local Discord for the bot's own tests; every body the bot sends is judged at the end."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import discord
import pytest

from bot.__main__ import point_at
from bot.emulator import people
from bot.emulator.client import LocalDiscord
from bot.emulator.openapi import Description
from shared.config import DiscordSettings, Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.jobs import Route
from shared.plans import read_plans
from tests.bot.clerk import Clerk
from tests.bot.connecting import connected
from tests.bot.farmhand import Farmhand
from tests.bot.house import House

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


@pytest.fixture
async def clerk(local: LocalDiscord, pointed: DiscordSettings) -> AsyncIterator[Clerk]:
    client = Clerk()
    async with connected(client, local):
        yield client


@pytest.fixture
async def route(clerk: Clerk, local: LocalDiscord) -> Route:
    await local.slash(people.FINN, "imagine", prompt="a boat")
    return await asyncio.wait_for(clerk.routes.get(), 10)


@pytest.fixture
def house_settings(settings: Settings, pointed: DiscordSettings) -> Settings:
    return settings.model_copy(update={"discord": pointed})


@pytest.fixture
async def house(
    house_settings: Settings, local: LocalDiscord, database: Database
) -> AsyncIterator[House]:
    redis = connect_redis(house_settings.redis)
    farm = Farmhand(database, Events(redis), read_plans(house_settings.plans_file))
    made = House(house_settings, local, farm)
    await made.start()
    yield made
    await made.stop()
    await redis.aclose()
