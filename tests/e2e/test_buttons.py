"""Every button under pictures, on the real farm: what each draws, and how the page shows it.

`PICTOR_LOOK=docs/images pytest -m slow tests/e2e/test_buttons.py` renews the pictures of docs/discord.md.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from bot.emulator.people import PRIYA
from tests.e2e.conftest import Json, Town, buttons, labels
from tests.e2e.looking import look
from tests.reading import gallery_of, headline_of, pictures_of, text_of

PROMPT = "a red sailboat on the sea at sunset, two birds --seed 7"
WIDE = "a red sailboat on the sea at sunset --ar 3:2 --seed 7"
DRAWN = (
    ("Vary (Strong)", "Variations (Strong) by"),
    ("Upscale (Subtle)", "Upscaled (Subtle) by"),
    ("Upscale (Creative)", "Upscaled (Creative) by"),
    ("Zoom Out 2x", "Zoom Out by"),
    ("Zoom Out 1.5x", "Zoom Out by"),
    ("⬅️", "Pan Left by"),
    ("➡️", "Pan Right by"),
    ("⬆️", "Pan Up by"),
    ("⬇️", "Pan Down by"),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_button_draws_what_it_says(town: Town) -> None:
    single = await a_picture(town, PROMPT)
    for label, deed in DRAWN:
        await drawn(town, deed, partial(town.press, single, label))
    await a_zoom_of_ones_own(town, single)
    await a_region_is_tapped_on_a_phone(town, single)
    wide = await a_picture(town, WIDE)
    await drawn(town, "Make Square by", partial(town.press, wide, "Make Square"))


async def a_picture(town: Town, prompt: str) -> Json:
    """The second of a grid, alone."""
    grid = await town.finished(await town.imagine(prompt))
    return await drawn(town, "Image #2", partial(town.press, grid, "U2"))


async def drawn(town: Town, deed: str, press: Callable[[], Awaitable[None]]) -> Json:
    """Presses, and waits for the new message that says this deed and shows its picture."""
    before = {seen["id"] for seen in await town.discord.messages(PRIYA)}
    await press()

    def done(seen: Json) -> bool:
        new = seen["id"] not in before and deed in headline_of(seen)
        return new and bool(pictures_of(seen)) and "Cancel" not in labels(seen)

    shown = await town.discord.wait_message(done, 90, user=PRIYA)
    assert gallery_of(shown)[0]["description"]
    return shown


async def a_zoom_of_ones_own(town: Town, single: Json) -> None:
    async def ask() -> None:
        opened = await town.discord.click(PRIYA, single["id"], buttons(single)["Custom Zoom"])
        await town.discord.wait_interaction(opened)
        await town.discord.submit(PRIYA, opened, prompt=f"{PROMPT} --zoom 1.3")

    await drawn(town, "Zoom Out by", ask)


async def a_region_is_tapped_on_a_phone(town: Town, single: Json) -> None:
    await town.press(single, "Vary (Region)")
    panel = await town.discord.wait_message(lambda m: "E5" in labels(m), 60, user=PRIYA)
    for cell in ("B4", "C4", "D4"):
        await town.press(panel, cell)
    await town.discord.wait_message(lambda m: "B4, C4, D4" in text_of(m), 60, user=PRIYA)
    await look(town, PRIYA, "region", width=420, height=1_120)
    await drawn(town, "Variations (Region) by", partial(town.press, panel, "Draw"))
    await look(town, PRIYA, "varied")
