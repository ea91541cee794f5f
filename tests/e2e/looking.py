"""Pictures of the page as a person sees it, for the documentation and for whoever wants to look."""

import os
import shutil
from pathlib import Path

from playwright.async_api import async_playwright

from bot.emulator.people import Person
from tests.e2e.conftest import Town

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# `PICTOR_LOOK=somewhere pytest tests/e2e/test_safety.py` leaves them there; without it nobody looks.
FOLDER = os.environ.get("PICTOR_LOOK")


async def look(town: Town, who: Person, name: str, *, width: int = 1180, height: int = 900) -> None:
    if FOLDER is None:
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        page = await browser.new_page(viewport={"width": width, "height": height})
        await page.goto(f"{town.url}/?user={who.username}")
        await page.locator("body.ready").wait_for()
        await page.wait_for_timeout(1_500)  # pictures load, the list scrolls to its end
        await page.screenshot(path=Path(FOLDER) / f"{name}.png")
        await browser.close()
