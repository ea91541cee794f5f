"""A person signs in, writes a prompt, watches it being drawn and goes on from it."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, expect

from farm.api.services import Services
from shared import jobstore
from shared.events import EventKind, JobEvent
from shared.jobs import Job
from tests.bot.farmhand import Farmhand
from tests.farm.api.page.visitor import visit

pytestmark = pytest.mark.browser

KEPT = "sessionStorage.getItem('pictor.key')"


async def test_a_key_is_asked_for_told_wrong_and_kept_in_the_tab_alone(
    browser: Browser, address: str, services: Services, key: str
) -> None:
    async with visit(browser, address, services.store, path=f"/#key={key}") as page:
        # A link alone signs nobody in: it may be somebody else's account.
        await expect(page.get_by_label("API key")).to_have_value(key)
        assert key not in page.url
        assert await page.evaluate(KEPT) is None
        await page.get_by_label("API key").fill("pk_live_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("This key is not good")
        await expect(page.get_by_label("API key")).to_be_focused()
        await page.get_by_label("API key").fill(key)
        await page.keyboard.press("Enter")
        await expect(page.locator("#self")).to_contain_text("Person 1001")
        assert await page.evaluate(KEPT) == key
        assert await page.evaluate("localStorage.length + document.cookie.length") == 0
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Welcome to Pictor")).to_be_visible()
        assert await page.evaluate(KEPT) is None


async def test_from_words_to_pictures_and_on(
    browser: Browser, address: str, services: Services, key: str, farm: Farmhand
) -> None:
    async with visit(browser, address, services.store, key=key) as page:
        await write(page)
        await page.keyboard.press("Enter")
        card = page.locator(".job")
        await expect(card).to_have_attribute("aria-label", "a red sailboat")
        job = await the_job(services)
        assert job.prompt == "a red sailboat --ar 3:2 --seed 7"
        await watch(page, services, farm, job)
        await look_close(page)
        await page.keyboard.press("Escape")
        await card.locator(".tile").first.hover()
        await card.get_by_role("button", name="Vary it").first.click()
        await expect(page.locator(".job")).to_have_count(2)
        await expect(page.locator(".job").first).to_contain_text("Variation")
        await page.locator(".job").first.get_by_role("button", name="Cancel").click()
        await expect(page.locator(".job").first).to_contain_text("Cancelled")
        await page.reload()
        await expect(page.locator(".job")).to_have_count(2)


async def write(page: Page) -> None:
    """With a slip that is told while one types, and is put right by what is offered."""
    await page.locator("#words").press_sequentially("a red sailboat --ar 99:1")
    await expect(page.locator("#check")).to_have_class("check number bad")
    await expect(page.locator(".ink .slip")).to_have_text("--ar")
    for _ in range(len("--ar 99:1")):
        await page.keyboard.press("Backspace")
    await page.get_by_label("Shape").select_option("3:2")
    await expect(page.locator("#words")).to_have_value("a red sailboat --ar 3:2")
    await page.locator("#words").press_sequentially(" --se")
    await expect(page.get_by_role("option", name="--seed")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type("7")
    await expect(page.locator("#words")).to_have_value("a red sailboat --ar 3:2 --seed 7")
    await expect(page.locator("#check")).to_contain_text("at most")


async def the_job(services: Services) -> Job:
    async with services.database.read() as session:
        (job,) = await jobstore.waiting(session)
    return job


async def watch(page: Page, services: Services, farm: Farmhand, job: Job) -> None:
    card = page.locator(".job")
    await expect(card).to_contain_text("Waiting")
    running = await farm.start(job.id)
    await farm.tell(running, 6)
    await expect(card).to_contain_text("Step 6 of 12")
    await expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    preview = JobEvent(job.id, EventKind.PREVIEW, step=8, key=f"{job.id}/1/preview.webp")
    await services.events.publish(preview)
    await expect(card.locator(".tile img").first).to_be_visible()
    await farm.succeed(running)
    await expect(card.locator(".tile-open img")).to_have_count(4)
    await expect(page.locator(".rooms .count")).to_have_count(0)


async def look_close(page: Page) -> None:
    await page.locator(".tile-open").nth(1).focus()
    await page.keyboard.press("Enter")
    sheet = page.locator("#sheet")
    await expect(sheet.locator(".facts")).to_contain_text("postcards")
    await expect(sheet.locator(".place")).to_have_text("2 of 4")
    await page.keyboard.press("ArrowRight")
    await expect(sheet.locator(".place")).to_have_text("3 of 4")
    await sheet.get_by_role("button", name="Mark").click()
    await expect(sheet.get_by_role("button", name="Favourite")).to_be_visible()


async def test_what_was_missed_without_a_connection_is_made_good(
    browser: Browser, address: str, services: Services, key: str, farm: Farmhand
) -> None:
    async with visit(browser, address, services.store, key=key) as page:
        await page.locator("#words").fill("a red sailboat")
        await page.keyboard.press("Enter")
        await expect(page.locator(".job")).to_contain_text("Waiting")
        running = await farm.start((await the_job(services)).id)
        services.following.release()
        await expect(page.locator("#banner")).to_contain_text("Connection lost")
        await farm.succeed(running)
        await expect(page.locator(".tile-open img")).to_have_count(4)
        await expect(page.locator("#banner")).to_be_hidden()
        await asyncio.sleep(0)
