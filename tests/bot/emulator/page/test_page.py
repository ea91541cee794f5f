"""The page in a real browser, with the real robot behind it."""

import io
import re

import discord
import pytest
from playwright.async_api import Browser, Page, expect

from bot.emulator.client import LocalDiscord
from bot.emulator.people import FINN, IMAGINE_CHANNEL_ID, MODERATORS_CHANNEL_ID, MONA
from tests.bot.emulator.page.conftest import run, visit
from tests.bot.emulator.robot import PIXEL, Robot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_a_command_by_keyboard_alone(page: Page, local: LocalDiscord, robot: Robot) -> None:
    await page.keyboard.press("Tab")
    await page.locator("#words").focus()
    await page.keyboard.type("/")
    listed = page.get_by_role("option")
    await expect(listed.filter(has_text="/paint")).to_be_visible()
    await page.keyboard.type("pai")
    await expect(listed).to_have_count(1)
    await page.keyboard.press("Enter")
    await page.keyboard.type("a boat")
    await page.keyboard.press("Tab")
    await expect(listed.filter(has_text="colour")).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.type("gre")
    await expect(listed).to_have_text(["Green"])
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    answer = page.locator(".message .words")
    await expect(answer).to_have_text("1 green a boat")
    await expect(page.locator(".above")).to_have_text("Finn used /paint")
    assert await local.violations() == []


async def test_typing_a_whole_command(page: Page) -> None:
    await page.locator("#words").click()
    await page.keyboard.type("/paint a long boat")
    await expect(page.locator("[data-option=prompt]")).to_have_text("a long boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .words")).to_have_text("1 red a long boat")


async def test_what_is_missing_or_wrong_is_said(page: Page) -> None:
    await page.locator("#words").click()
    await page.keyboard.type("/paint ")
    await page.keyboard.press("Enter")
    await expect(page.locator(".option.wrong")).to_contain_text("prompt")
    await expect(page.locator("#popup")).to_contain_text("This option is required")
    await page.keyboard.type("x" * 101)
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast")).to_contain_text("between 1 and 100 characters")
    await page.keyboard.press("Escape")
    await expect(page.locator("#words")).to_be_focused()


async def test_buttons_selects_modals(page: Page) -> None:
    await run(page, "choices")
    await page.locator(".select").click()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    picked = page.locator(".message.private")
    await expect(picked).to_contain_text("picked green")
    await expect(picked).to_contain_text("Only you can see this")
    await picked.get_by_role("button", name="Dismiss message").click()
    await expect(picked).to_have_count(0)
    await page.get_by_role("button", name="Write").click()
    await expect(page.get_by_role("dialog")).to_contain_text("A note")
    await page.keyboard.type("from a browser")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    noted = page.locator(".message", has_text="noted: from a browser")
    await expect(noted).to_contain_text("choose")


async def test_a_button_that_counts(page: Page, local: LocalDiscord) -> None:
    await run(page, "counter")
    for n in (1, 2, 3):
        await page.get_by_role("button", name=f"Count {n}").click()
    await expect(page.locator(".message .words")).to_contain_text("counted 3")
    await expect(page.locator(".edited")).to_be_visible()
    assert await local.violations() == []


async def test_an_edit_leaves_the_picture_alone(page: Page, robot: Robot) -> None:
    await run(page, "picture")
    picture = page.locator(".embed-picture img")
    await expect(picture).to_have_attribute("src", re.compile("^/cdn/"))
    await picture.evaluate("image => { image.dataset.seen = 'yes'; }")
    channel = robot.get_partial_messageable(int(IMAGINE_CHANNEL_ID))
    message = await anext(m async for m in channel.history() if m.embeds)
    await message.edit(content="other words, same picture", embeds=message.embeds)
    await expect(page.locator(".message").first).to_contain_text("other words")
    assert await picture.get_attribute("data-seen") == "yes"
    before = await picture.get_attribute("src")
    embed = discord.Embed().set_image(url="attachment://next.png")
    await message.edit(embed=embed, attachments=[discord.File(io.BytesIO(PIXEL), "next.png")])
    await expect(picture).to_have_attribute("src", re.compile("next.png$"))
    assert await picture.get_attribute("src") != before
    assert await picture.get_attribute("data-seen") == "yes"
    await picture.click()
    large = page.locator("#lightbox[open]")
    await expect(large).to_contain_text("1 × 1")
    await page.keyboard.press("Escape")
    await expect(large).to_have_count(0)


async def test_nobody_answers(page: Page, local: LocalDiscord) -> None:
    await run(page, "silent")
    await expect(page.locator(".message")).to_contain_text("Sending command")
    await local.advance(3.1)
    await expect(page.locator(".message")).to_contain_text("The application did not respond")
    await page.get_by_role("button", name="Dismiss message").click()
    await expect(page.locator(".message")).to_have_count(0)


async def test_words_are_only_words(page: Page, local: LocalDiscord) -> None:
    await local.say(
        FINN,
        "<img src=x onerror=alert(1)> **bold <i>x</i>** `</code>` "
        "[x](javascript:alert(1)) [ok](https://a.example/b) ||<b>no</b>||",
    )
    words = page.locator(".message .words")
    await expect(words).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(words.locator("strong")).to_have_text("bold <i>x</i>")
    assert await words.locator("img, i, b").count() == 0
    links = await words.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links == ["https://a.example/b"]


async def test_people_see_their_own(page: Page, local: LocalDiscord) -> None:
    await run(page, "whisper")
    await expect(page.locator(".message")).to_contain_text("psst")
    await page.get_by_role("button", name="You are Finn").click()
    await page.get_by_role("menuitemradio", name="Mona").click()
    await expect(page.get_by_role("button", name="You are Mona")).to_be_visible()
    await expect(page.locator(".message")).to_have_count(0)
    await local.say(MONA, "over here", MODERATORS_CHANNEL_ID)
    unread = page.get_by_role("button", name="moderators (unread)")
    await unread.click()
    await expect(page.locator(".message")).to_contain_text("over here")
    await page.locator(".message").hover()
    await page.get_by_role("button", name="Delete message").click()
    await expect(page.locator(".message")).to_have_count(0)


async def test_it_stays_at_the_end_unless_one_reads_above(page: Page, local: LocalDiscord) -> None:
    for n in range(30):
        await local.say(FINN, f"line {n}\n" * 3)
    await expect(page.get_by_text("line 29").first).to_be_in_viewport()
    await page.locator("#scroller").hover()
    await page.mouse.wheel(0, -1500)
    jump = page.get_by_role("button", name="Jump to present")
    await expect(jump).to_be_visible()
    await local.say(FINN, "news")
    await expect(page.get_by_text("news")).not_to_be_in_viewport()
    await page.get_by_role("button", name="1 new message").click()
    await expect(page.get_by_text("news")).to_be_in_viewport()


async def test_it_comes_back_by_itself(page: Page, local: LocalDiscord, robot: Robot) -> None:
    assert local.emulator is not None
    await page.context.set_offline(True)
    local.emulator.feed.finish()
    await expect(page.locator("#banner")).to_contain_text("Connection lost")
    await local.say(FINN, "while it was away")
    await page.context.set_offline(False)
    await expect(page.locator(".message")).to_contain_text("while it was away")
    await expect(page.locator("#banner")).to_be_hidden()
    await robot.close()
    await expect(page.locator("#banner")).to_contain_text("Pictor is offline")


async def test_on_a_phone(browser: Browser, local: LocalDiscord, robot: Robot) -> None:
    phone = await browser.new_page(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await visit(phone, local, "priya")
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390
    await expect(phone.locator("#sidebar")).to_be_hidden()
    await phone.locator("#menu").tap()
    await expect(phone.locator("#sidebar")).to_be_visible()
    await phone.locator("#shade").tap(position={"x": 370, "y": 400})
    await expect(phone.locator("#sidebar")).to_be_hidden()
    await phone.get_by_role("button", name="Use a command").tap()
    await phone.get_by_role("option").filter(has_text="/paint").tap()
    await phone.keyboard.type("a boat on a very long river that wraps around the narrow screen")
    await phone.get_by_role("button", name="Send").tap()
    await expect(phone.locator(".message .words")).to_contain_text("1 red a boat")
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390
    await phone.close()
