"""A newcomer's first minutes, in a real browser: type /imagine, wait for the grid, press a button; then
the same at the web client."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from farm.demo import front_door
from tests.e2e.conftest import Town

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# `PICTOR_README_PICTURE=docs/images/demo.png make test` renews the README's picture.
KEEP = os.environ.get("PICTOR_README_PICTURE")
DRAWN_MS = 90_000

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not on PATH; .ci/run installs it")
        pytest.skip("LOUD: no Chromium on PATH, so nobody has looked at the page")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(
            viewport={"width": 1280, "height": 900}, device_scale_factor=1
        )
        yield page
        await browser.close()


async def test_a_newcomer_types_imagine_and_presses_a_button(
    town: Town, page: Page, tmp_path: Path
) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(town.url)
    await type_imagine(page, "a red sailboat on the sea at sunset, two birds --seed 7")
    grid = page.locator(".message").filter(has=page.get_by_role("button", name="U1"))
    await expect(grid).to_be_visible(timeout=DRAWN_MS)
    picture = grid.locator(".gallery img").last
    await expect(picture).to_have_js_property("complete", value=True)
    assert await picture.evaluate("image => image.naturalWidth") >= 1024
    await picture.scroll_into_view_if_needed()
    await page.screenshot(path=KEEP or tmp_path / "demo.png")
    await grid.get_by_role("button", name="U2").click()
    single = page.locator(".message").filter(has=page.get_by_role("link", name="Open full picture"))
    await expect(single).to_be_visible(timeout=DRAWN_MS)
    await draw_at_the_web_client(page, await front_door(town.stack, town.url))
    assert problems == []


async def draw_at_the_web_client(page: Page, link: str) -> None:
    """By the address that the demo prints: its key is filled in, and one presses Enter."""
    await page.goto(link)
    await page.get_by_label("API key").press("Enter")
    await expect(page.locator("#self")).to_contain_text("Ada")
    await page.locator("#words").fill("a red sailboat on the sea at sunset, two birds --seed 7")
    await expect(page.locator("#check")).to_contain_text("4 of 512 × 512")
    await page.keyboard.press("Enter")
    pictures = page.locator(".tile-open img")
    await expect(pictures).to_have_count(4, timeout=DRAWN_MS)
    await expect(pictures.last).to_have_js_property("naturalWidth", 512)
    await expect(page.locator("#farm-line")).to_contain_text("1 GPU")


async def type_imagine(page: Page, prompt: str) -> None:
    """By keyboard alone, as on Discord: slash, pick, fill in, send."""
    await page.locator("#words").click()
    await page.keyboard.type("/ima", delay=20)
    await expect(page.locator("#popup")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.locator(".option-input")).to_be_focused()
    await page.keyboard.type(prompt)
    await page.keyboard.press("Enter")
