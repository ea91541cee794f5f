"""One browser for all tests of a file, so one event loop for each file."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.emulator.client import LocalDiscord
from bot.emulator.openapi import Description
from tests.bot.emulator.conftest import running
from tests.bot.emulator.robot import Robot

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("CI must show the page to Chromium, but there is none on PATH")
    pytest.skip("NO CHROMIUM ON PATH: the page was not shown to a browser")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def local(description: Description | None) -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord.start(description=description) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def robot(local: LocalDiscord, point_at: None) -> AsyncIterator[Robot]:
    async with running(local, Robot()) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, local: LocalDiscord, robot: Robot) -> AsyncIterator[Page]:
    shown = await browser.new_page(viewport={"width": 1280, "height": 800})
    complaints: list[str] = []
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    await visit(shown, local, "finn")
    yield shown
    await shown.close()
    # Browsers note every answer of 400, though the page has told its person in words.
    assert [c for c in complaints if "status of 400" not in c] == []


async def visit(page: Page, local: LocalDiscord, person: str) -> None:
    page.set_default_timeout(10_000)
    await page.goto(f"{local.url}/?user={person}")
    await expect(page.locator("body.ready")).to_be_visible()


async def run(page: Page, command: str) -> None:
    """A command without options, by keyboard."""
    await page.locator("#words").click()
    await page.keyboard.type(f"/{command}")
    await page.keyboard.press("Enter")
    await expect(page.locator(".box.command")).to_be_visible()
    await page.keyboard.press("Enter")
