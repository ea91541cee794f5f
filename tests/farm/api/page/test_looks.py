"""How the page looks and is reached: contrast, telephones, keyboards, and those who like it calm."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from farm.api.services import Services
from shared.orders import Person, Submission
from tests.bot.farmhand import Farmhand
from tests.farm.api.page.visitor import ROOMS, Scheme, enter, visit

pytestmark = pytest.mark.browser

SCHEMES: tuple[Scheme, ...] = ("dark", "light")
MEASURE = (Path(__file__).parent / "contrast.js").read_text()
LEAST_TARGET_PX = 24  # WCAG 2.2, target size
WIDER = "document.documentElement.scrollWidth - innerWidth"
SMALL = f"""() => [...document.querySelectorAll("button, a[href], select, input")]
  .filter((one) => one.checkVisibility({{ visibilityProperty: true }}) && !one.matches(".skip"))
  .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 80)])
  .filter(([box]) => box.width && Math.min(box.width, box.height) < {LEAST_TARGET_PX})
  .map(([box, html]) => `${{box.width}}x${{box.height}} ${{html}}`)"""


@pytest.fixture
async def busy(farm: Farmhand, services: Services, staff: str) -> None:
    """One job that waits and one that is done, so that every colour is on the page."""
    for number, prompt in enumerate(("a red boat", "a boat that waits --seed 7")):
        asked = Submission(prompt, Person("1002", "Mona", "free"), None, f"test:{number}")
        (job,) = (await services.desk.submit(asked)).jobs
        if number == 0:
            await farm.succeed(await farm.start(job.id))


@pytest.mark.usefixtures("busy")
async def test_every_text_has_the_contrast_that_wcag_aa_asks_for(
    browser: Browser, address: str, services: Services, staff: str
) -> None:
    for scheme in SCHEMES:
        await look_around(browser, address, services, staff, scheme)


async def look_around(
    browser: Browser, address: str, services: Services, staff: str, scheme: Scheme
) -> None:
    async with visit(browser, address, services.store, scheme=scheme) as page:
        assert await too_faint(page) == []
    async with visit(browser, address, services.store, key=staff, scheme=scheme) as page:
        for room in ROOMS:
            await enter(page, room)
            assert await too_faint(page) == [], room
        await enter(page, "draw")
        await page.locator("#words").press_sequentially("a cat::2 --ar 99:1 --s")
        await expect(page.locator("#check")).to_have_class("check number bad")
        assert await too_faint(page) == []


async def too_faint(page: Page) -> list[str]:
    told = await page.evaluate(MEASURE)
    assert told["seen"] > 4
    return [str(one) for one in told["found"]]


@pytest.mark.usefixtures("busy")
async def test_a_telephone_holds_every_room(
    browser: Browser, address: str, services: Services, staff: str
) -> None:
    async with visit(
        browser, address, services.store, key=staff, width=360, has_touch=True, is_mobile=True
    ) as page:
        for room in ROOMS:
            await enter(page, room)
            assert await page.evaluate(WIDER) <= 0, room
            assert await page.evaluate(SMALL) == [], room
        await expect(page.locator("#sidebar")).to_be_hidden()
        await page.get_by_role("button", name="Show rooms").click()
        await page.get_by_role("link", name="Usage").click()
        await expect(page.locator("#title")).to_have_text("Usage")
        await expect(page.locator("#sidebar")).to_be_hidden()


@pytest.mark.usefixtures("busy")
async def test_all_of_it_is_done_by_keyboard_and_stands_still_for_who_wants_that(
    browser: Browser, address: str, services: Services, staff: str
) -> None:
    async with visit(browser, address, services.store, key=staff, reduced_motion="reduce") as page:
        await page.locator("body").press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_visible()
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("/")
        await expect(page.locator("#words")).to_be_focused()
        waits = page.locator(".job", has_text="that waits").locator(".tile.growing").first
        told = await waits.evaluate(
            "one => getComputedStyle(one, '::after').animationIterationCount"
        )
        assert told == "1"
        await page.locator(".tile-open").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#sheet")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator(".tile-open").first).to_be_focused()


async def test_prompts_and_events_are_read_as_they_are_written(
    browser: Browser, address: str, services: Services
) -> None:
    async with visit(browser, address, services.store) as page:
        inks = await page.evaluate(
            """async (text) => (await import("/page/grammar.js")).inks(text)
            .filter((one) => one.text.trim()).map((one) => [one.kind, one.text.trim()])""",
            "cat::2 and dog --ar 3:2 --tile --no red, big cars",
        )
        assert inks == [
            ["words", "cat"],
            ["weight", "::2"],
            ["words", "and dog"],
            ["name", "--ar"],
            ["value", "3:2"],
            ["name", "--tile"],
            ["name", "--no"],
            ["value", "red, big cars"],
        ]
        await read_events(page)


async def read_events(page: Page) -> None:
    """However the network cuts them."""
    pieces = ["id: 5\nda", 'ta: {"a":1}\n', "\n: here\n\nevent: x\r\ndata: 1\r", "\ndata: 2\n\n"]
    events = await page.evaluate(
        """async (pieces) => {
          const { Parser } = await import("/page/stream.js");
          const told = [];
          const parser = new Parser((event) => told.push(event));
          pieces.forEach((piece) => parser.feed(piece));
          return told;
        }""",
        pieces,
    )
    assert events == [
        {"type": "message", "id": "5", "data": '{"a":1}'},
        {"type": "x", "data": "1\n2"},
    ]
