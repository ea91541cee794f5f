"""What moderators use of the page: forms, menus, files, spoilers, private places."""

import io

import discord
import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.emulator.client import LocalDiscord
from bot.emulator.people import AFTER_DARK_CHANNEL_ID, FINN, IMAGINE_CHANNEL_ID
from tests.bot.emulator.page.conftest import run, visit
from tests.bot.emulator.robot import PIXEL, Robot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_subcommand_with_a_file_by_keyboard(page: Page, local: LocalDiscord) -> None:
    await visit(page, local, "mona")
    await page.locator("#words").click()
    await page.keyboard.type("/mod user Paula")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.type("7")
    await page.keyboard.press("Tab")
    await page.get_by_role("option").filter(has_text="proof").click()
    async with page.expect_file_chooser() as choosing:
        await page.keyboard.press("Enter")
    file = FilePayload(name="a proof.png", mimeType="image/png", buffer=PIXEL)
    await (await choosing.value).set_files(file)
    await expect(page.locator(".option-file")).to_contain_text("a_proof.png")
    await expect(page.locator(".option-look")).to_be_visible()
    await page.keyboard.press("Enter")
    answer = page.locator(".message .words")
    await expect(answer).to_have_text(f"paula 7 False False a_proof.png 1x1 {len(PIXEL)}")
    assert await local.violations() == []


async def test_a_form_says_what_is_missing_and_changes_its_message(
    page: Page, local: LocalDiscord
) -> None:
    await visit(page, local, "mona")
    await run(page, "mod queue")
    case = page.locator(".message.private")
    await case.get_by_role("button", name="Appeal").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("What is it about?").select_option(label="Picture")
    await form.get_by_label("Why was it wrong?").fill("short")
    await expect(form).to_contain_text("5 of at least 10")
    await form.get_by_role("button", name="Submit").click()
    await expect(form.get_by_role("alert")).to_contain_text("between 10 and 200 characters")
    await form.get_by_label("Why was it wrong?").fill("it was a harbour")
    await expect(form).to_contain_text("16/200")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_have_count(0)
    await expect(case).to_contain_text("picture: it was a harbour")
    await expect(case.get_by_role("button", name="Appeal")).to_have_count(0)
    assert await local.violations() == []


async def test_a_form_that_nobody_answers_stays_open(page: Page, local: LocalDiscord) -> None:
    await run(page, "appeal")
    form = page.get_by_role("dialog")
    await form.get_by_label("What is it about?").select_option(label="Words")
    await form.get_by_label("Why was it wrong?").fill("it was a harbour")
    await form.get_by_label("Your name").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(form.get_by_role("button", name="Submit")).to_be_disabled()
    await local.advance(3.1)
    await expect(form.get_by_role("alert")).to_contain_text("Something went wrong. Try again.")
    await form.get_by_label("Your name").fill("")
    await page.keyboard.press("Enter")
    await expect(form).to_have_count(0)
    await expect(page.locator(".message.private")).to_contain_text("words: it was a harbour")


async def test_apps_in_menus(page: Page, local: LocalDiscord, robot: Robot) -> None:
    await visit(page, local, "mona")
    await local.say(FINN, "a boat")
    message = page.locator(".message", has_text="a boat")
    await message.hover()
    await message.get_by_role("button", name="More").click()
    menu = page.get_by_role("menu", name="Message")
    await expect(menu.get_by_role("menuitem", name="Apps")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("menuitem", name="Report picture")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("reported finn: a boat")).to_be_visible()
    await expect(page.locator(".above", has_text="Mona used Report picture")).to_be_visible()
    await message.get_by_role("button", name="Finn").click(button="right")
    await page.get_by_role("menuitem", name="Apps").hover()
    await page.get_by_role("menuitem", name="Show strikes").click()
    await expect(page.get_by_text("strikes of finn")).to_be_visible()
    await visit(page, local, "finn")
    await page.locator("#members").get_by_role("button", name="Mona").click()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_text("No apps here")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menu")).to_have_count(0)


async def test_spoilers_are_covered_until_clicked(page: Page, robot: Robot) -> None:
    channel = robot.get_partial_messageable(int(IMAGINE_CHANNEL_ID))
    file = discord.File(io.BytesIO(PIXEL), "x.png", spoiler=True)
    await channel.send("a ||secret|| word", file=file)
    cover = page.get_by_role("button", name="Spoiler: show the picture")
    await expect(cover).to_be_visible()
    blurred = "image => getComputedStyle(image).filter"
    picture = page.locator(".attachments img")
    assert "blur" in await picture.evaluate(blurred)
    await cover.click()
    await expect(page.locator("#lightbox[open]")).to_have_count(0)
    assert await picture.evaluate(blurred) == "none"
    words = page.locator(".spoiler-words")
    await expect(words).to_have_css("visibility", "hidden")
    await page.get_by_role("button", name="Spoiler", exact=True).focus()
    await page.keyboard.press("Enter")
    await expect(words).to_have_css("visibility", "visible")
    await page.get_by_role("button", name="Open SPOILER_x.png").click()
    await expect(page.locator("#lightbox[open]")).to_contain_text("1 × 1")


async def test_a_direct_message_arrives_and_places_are_marked(
    page: Page, local: LocalDiscord, robot: Robot
) -> None:
    channels = page.locator("#channels")
    await expect(channels.locator(f"[data-channel='{AFTER_DARK_CHANNEL_ID}']")).to_contain_text(
        "Age-restricted"
    )
    await expect(channels.get_by_text("mod-log")).to_have_count(0)
    await (await robot.fetch_user(int(FINN.id))).send("a word from the moderators")
    direct = channels.get_by_role("button", name="Pictor (unread)")
    await direct.click()
    await expect(page.locator(".message")).to_contain_text("a word from the moderators")


async def test_menus_on_a_phone(browser: Browser, local: LocalDiscord, robot: Robot) -> None:
    phone = await browser.new_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await visit(phone, local, "paula")
    await local.say(FINN, "a boat")
    await phone.get_by_role("button", name="More").tap()
    await phone.get_by_role("menuitem", name="Apps").tap()
    await phone.get_by_role("menuitem", name="Report picture").tap()
    await expect(phone.get_by_text("reported finn: a boat")).to_be_visible()
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390
    await phone.close()
