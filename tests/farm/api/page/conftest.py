"""The web client, served by the app of the test to a browser of its own."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, async_playwright

from farm.api import following
from farm.api.services import Services
from shared.apikeys import USUAL, Scope
from shared.moderation.ranks import Rank
from tests.bot.emulator.page.conftest import FLAGS, chromium
from tests.bot.farmhand import Farmhand
from tests.farm.api.conftest import NewKey
from tests.farm.api.serving import serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def address(
    app: FastAPI, services: Services, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.05)
    async with serving(app, services) as found:
        yield found


@pytest.fixture
async def key(new_key: NewKey) -> str:
    return await new_key("1001")


@pytest.fixture
async def staff(new_key: NewKey) -> str:
    scopes = (*USUAL, Scope.MODERATE)
    return await new_key("1002", scopes=scopes, guild_id="7", rank=Rank.MODERATOR)


@pytest.fixture
def farm(services: Services) -> Farmhand:
    return Farmhand(services.database, services.events, services.plans)
