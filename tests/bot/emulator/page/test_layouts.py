"""Layouts on the page: galleries with their words, spoilers, cells to tap on a telephone."""

import io
import json
from typing import Any

import aiohttp
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from bot.emulator import shelf
from bot.emulator.client import LocalDiscord
from bot.emulator.people import FINN, IMAGINE_CHANNEL_ID
from bot.emulator.postings import COMPONENTS_V2
from tests.bot.emulator.page.conftest import visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


def png(colour: str) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(packed, "PNG")
    return packed.getvalue()


async def post(local: LocalDiscord, components: list[Any], *, files: int = 0) -> str:
    body = {"flags": COMPONENTS_V2, "components": components}
    form = aiohttp.FormData({"payload_json": json.dumps(body)}, default_to_multipart=True)
    for index in range(files):
        form.add_field(f"files[{index}]", png("red"), filename=f"{index}.png")
    url = f"{local.api}/channels/{IMAGINE_CHANNEL_ID}/messages"
    headers = {"Authorization": f"Bot {local.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=form, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["id"])


async def test_a_gallery_says_what_it_shows_and_keeps_spoilers_covered(
    local: LocalDiscord, page: Page
) -> None:
    items = [
        {"media": {"url": "attachment://0.png"}, "description": "a red boat"},
        {"media": {"url": "attachment://1.png"}, "description": "a secret", "spoiler": True},
    ]
    container = {"type": 17, "accent_color": 0xFF0000, "components": [{"type": 12, "items": items}]}
    await post(local, [container], files=2)
    await expect(page.get_by_alt_text("a red boat")).to_be_visible()
    box = page.locator(".container")
    await expect(box).to_have_css("border-left-color", "rgb(255, 0, 0)")
    shown = box.locator(".picture").first
    await shown.hover()
    told = await shown.evaluate("picture => getComputedStyle(picture, '::before').content")
    assert told == '"a red boat"'
    covered = page.get_by_role("button", name="Spoiler: show the picture")
    await expect(covered.locator("img")).to_have_css("filter", "blur(44px)")
    await covered.click()
    await expect(page.get_by_alt_text("a secret")).to_be_visible()


async def test_twenty_five_cells_fit_a_telephone(local: LocalDiscord, browser: Browser) -> None:
    def cell(place: int) -> dict[str, Any]:
        return {"type": 2, "style": 2, "label": f"{'ABCDE'[place // 5]}{place % 5 + 1}"} | {
            "custom_id": f"cell{place}"
        }

    rows = [
        {"type": 1, "components": [cell(5 * row + column) for column in range(5)]}
        for row in range(5)
    ]
    await post(local, [{"type": 10, "content": "Tap the cells"}, *rows])
    phone = await browser.new_page(viewport={"width": 360, "height": 740})
    await visit(phone, local, "finn")
    cells = phone.locator(".row .button")
    await expect(cells).to_have_count(25)
    boxes = [await cells.nth(place).bounding_box() for place in (0, 4, 20, 24)]
    first, right, low, last = [box for box in boxes if box]
    assert (first["y"], low["y"]) == (right["y"], last["y"])
    assert last["x"] + last["width"] <= 360
    assert first["width"] >= 40
    assert first["height"] >= 40
    await phone.close()


async def test_a_premium_button_sells_what_discord_says_it_does(
    local: LocalDiscord, page: Page
) -> None:
    button = {"type": 2, "style": 6, "sku_id": shelf.PAID_MONTHLY.id}
    await post(local, [{"type": 1, "components": [button]}])
    await page.locator(".message .button.premium").click()
    await expect(page.locator("#shop-title")).to_have_text("Buy Paid plan?")
    await page.get_by_role("button", name="Subscribe").click()
    await expect(page.locator("#shop-title")).to_have_text("Thank you!")
    (bought,) = await local.entitlements(FINN)
    assert bought["sku_id"] == shelf.PAID_MONTHLY.id
    await page.get_by_role("button", name="Close").last.click()
    await page.locator("[data-channel=shop]").click()
    await page.get_by_role("button", name="Cancel subscription").click()
    await expect(page.locator(".standing")).to_contain_text("Ends")


async def test_threads_and_other_servers_are_in_the_list(local: LocalDiscord, page: Page) -> None:
    thread = await local.start_thread(FINN, "boats")
    await page.locator(f"[data-channel='{thread}']").click()
    await expect(page.locator("#channel-name")).to_contain_text("boats")
    await page.get_by_role("button", name="lounge").click()
    await expect(page.locator("#channel-name")).to_contain_text("lounge")
    await local.archive(thread)
    await expect(page.locator(f"[data-channel='{thread}']")).to_have_count(0)
