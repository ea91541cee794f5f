"""Where it is judged, and where keys are kept."""

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import select

from farm.api.services import Services
from shared.moderation.ranks import Rank
from shared.tables import audit
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.page.visitor import visit
from tests.farm.api.v1.test_moderation import Staff, reported

pytestmark = pytest.mark.browser

NATURAL = "image => image.src"


async def looked(services: Services) -> int:
    async with services.database.read() as session:
        found = await session.execute(select(audit.c.id).where(audit.c.action.like("%reveal%")))
        return len(found.all())


async def test_a_reported_picture_is_covered_until_it_is_clicked_and_taken_down(
    browser: Browser, address: str, services: Services, client_of: Open, new_key: NewKey
) -> None:
    await reported(services, Staff(client_of, new_key))
    key = await new_key("9", scopes=("read", "moderate"), guild_id="77", rank=Rank.MODERATOR)
    async with visit(browser, address, services.store, key=key, path="/#/review") as page:
        await expect(page.locator(".case")).to_contain_text("Reported picture")
        cover = page.get_by_role("button", name="Show the picture; it is written down")
        blurred = await cover.locator("img").evaluate(NATURAL)
        assert await looked(services) == 0
        await expect(page.get_by_text("a red boat")).to_be_hidden()
        await page.get_by_role("button", name="Show what was typed").click()
        await expect(page.get_by_text("a red boat")).to_be_visible()
        await cover.click()
        shown = page.get_by_alt_text("The picture of this case")
        await expect(shown).to_be_visible()
        assert await shown.evaluate(NATURAL) != blurred
        assert await looked(services) == 1
        await page.get_by_role("button", name="Take it down").click()
        await expect(page.get_by_text("Nothing waits")).to_be_visible()


async def test_a_key_without_a_scope_has_no_room_for_it(
    browser: Browser, address: str, services: Services, new_key: NewKey
) -> None:
    key = await new_key("1001", scopes=("read",))
    async with visit(browser, address, services.store, key=key, path="/#/review") as page:
        await expect(page.locator("#title")).to_have_text("Draw")
        rooms = await page.locator(".room").all_text_contents()
        assert rooms == ["Draw", "Gallery", "Models", "Usage"]


async def test_a_key_is_shown_once_and_ends_when_it_is_revoked(
    browser: Browser, address: str, services: Services, key: str, client_of: Open
) -> None:
    async with visit(browser, address, services.store, key=key, path="/#/keys") as page:
        await page.get_by_role("button", name="New key").click()
        await page.get_by_label("Name").fill("Nightly")
        await page.get_by_label("Upload LoRAs").check()
        await page.get_by_role("button", name="Make key").click()
        made = await page.get_by_label("The key").input_value()
        client = await client_of(made)
        assert (await client.get("/v1/me")).json()["key"]["scopes"] == ["read", "draw", "upload"]
        await page.get_by_role("button", name="Close").click()
        await expect(page.locator("#modal")).to_be_empty()
        assert made not in await page.content()
        await page.get_by_role("button", name="Revoke Nightly").click()
        await page.get_by_role("button", name="Revoke", exact=True).click()
        await expect(page.locator("#view").get_by_text("Nightly")).to_have_count(0)
        assert (await client.get("/v1/me")).status_code == 401
