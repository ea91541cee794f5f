"""The buttons under pictures, in the local Discord: what people press, and what comes of it."""

import asyncio
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from bot.cogs.imagine import Imagine
from bot.emulator import people
from shared.errors import Refusal
from shared.jobs import Job, JobKind
from shared.orders import Person
from shared.preferences import Preferences
from shared.storage import open_store
from tests.bot.house import House, Json, buttons_of, text_of
from tests.reading import gallery_of

FINN, PAULA = people.FINN, people.PAULA
ASKER = Person(FINN.id, FINN.global_name, "free")


def desk_of(house: House) -> Any:
    (imagine,) = (cog for cog in house.bot.cogs.values() if isinstance(cog, Imagine))
    return imagine._ordering._desk


async def grid_of(house: House) -> tuple[Job, Json]:
    job = await house.imagine()
    store, out = open_store(house.settings.storage), BytesIO()
    Image.new("RGB", (64, 64), "navy").save(out, "PNG")
    for name in ("1.png", "0.png"):
        await store.put(f"{job.id}/1/{name}", out.getvalue(), mime="image/png")
    return job, await house.finish(job)


async def single_of(house: House) -> tuple[Job, Json]:
    """The grid, and the message of its second picture."""
    grid, shown = await grid_of(house)
    pressed = await house.local.click(FINN, shown["id"], buttons_of(shown)["U2"])
    return grid, await house.finish(await house.job_of(pressed))


async def press(house: House, shown: Json, label: str, who: people.Person = FINN) -> str:
    return await house.local.click(who, shown["id"], buttons_of(shown)[label])


async def panel_of(house: House, message_id: str, *words: str) -> Json:
    def told(message: Json) -> bool:
        return message["id"] == message_id and all(word in text_of(message) for word in words)

    return await house.local.wait_message(told, timeout=15, user=FINN)


# --- other words ---------------------------------------------------------------------------------


async def test_who_remixes_is_asked_for_other_words(house: House) -> None:
    grid, shown = await grid_of(house)
    await desk_of(house).set_preferences(ASKER, Preferences(remix=True))
    opened = await press(house, shown, "V2")
    modal = (await house.local.wait_interaction(opened))["modal"]
    field = modal["components"][0]["component"]
    assert (modal["title"], field["value"]) == ("Remix picture 2", grid.prompt)
    job = await house.job_of(await house.fill(FINN, opened, prompt=grid.prompt))
    assert (job.kind, job.parent_id, job.parent_index) == (JobKind.VARY, grid.id, 1)
    await house.see(job, "- Variations (Strong) by", "(Waiting to start)")
    opened = await press(house, shown, "V2")
    changed = await house.job_of(await house.fill(FINN, opened, prompt="a blue boat"))
    assert (changed.kind, changed.prompt) == (JobKind.VARY, "a blue boat")
    await house.see(changed, "**a blue boat** - Remix (Strong) by")


async def test_who_does_not_is_asked_nothing(house: House) -> None:
    grid, shown = await grid_of(house)
    job = await house.job_of(await press(house, shown, "V2"))
    assert (job.kind, job.parent_id, job.parent_index) == (JobKind.VARY, grid.id, 1)


async def test_a_zoom_of_ones_own_says_what_is_wrong_with_it(house: House) -> None:
    _, single = await single_of(house)
    opened = await press(house, single, "Custom Zoom")
    modal = (await house.local.wait_interaction(opened))["modal"]
    assert modal["components"][0]["component"]["value"].endswith("--seed 7 --zoom 2")
    sent = await house.fill(FINN, opened, prompt="a red boat --zoom 3")
    told = text_of(await house.told(sent))
    assert "--zoom 3 is out of range" in told
    assert "Nothing was charged" in told
    assert await house.farm.open_ids() == []


BUTTONS = (
    ("Vary (Subtle)", JobKind.VARY, "subtle", "- Variations (Subtle) by"),
    ("Vary (Strong)", JobKind.VARY, "strong", "- Variations (Strong) by"),
    ("Upscale (Subtle)", JobKind.UPSCALE, "subtle", "- Upscaled (Subtle) by"),
    ("Upscale (Creative)", JobKind.UPSCALE, "creative", "- Upscaled (Creative) by"),
    ("Zoom Out 2x", JobKind.ZOOM, "2x", "- Zoom Out by"),
    ("Zoom Out 1.5x", JobKind.ZOOM, "1.5x", "- Zoom Out by"),
    ("⬅️", JobKind.PAN, "left", "- Pan Left by"),
    ("➡️", JobKind.PAN, "right", "- Pan Right by"),
    ("⬆️", JobKind.PAN, "up", "- Pan Up by"),
    ("⬇️", JobKind.PAN, "down", "- Pan Down by"),
)


async def test_each_button_of_a_picture_makes_its_own_kind_of_job(house: House) -> None:
    grid, single = await single_of(house)
    for label, kind, manner, said in BUTTONS:
        job = await house.job_of(await press(house, single, label))
        told = (job.kind, job.manner, job.parent_id, job.parent_index)
        assert told == (kind, manner, grid.id, 1), label
        await house.see(job, said)
        await desk_of(house).cancel(ASKER, job.id)
    opened = await press(house, single, "Custom Zoom")
    sent = await house.fill(FINN, opened, prompt=f"{grid.prompt} --zoom 1.5")
    job = await house.job_of(sent)
    assert (job.kind, job.manner, job.prompt) == (JobKind.ZOOM, "1.5x", grid.prompt)


async def test_a_heart_marks_and_takes_the_mark_away(house: House) -> None:
    _, single = await single_of(house)
    assert "favourite of yours" in text_of(await house.told(await press(house, single, "❤️")))
    assert "any more" in text_of(await house.told(await press(house, single, "❤️")))


# --- a region ------------------------------------------------------------------------------------


async def test_a_region_is_tapped_named_and_drawn_once(house: House) -> None:
    grid, single = await single_of(house)
    panel = await house.told(await press(house, single, "Vary (Region)"))
    assert len(buttons_of(panel)) == 29
    assert gallery_of(panel)[0]["description"].endswith("None is marked.")
    refused = await house.told(await press(house, panel, "Draw"))
    assert "Tap at least one cell" in text_of(refused)

    await asyncio.gather(press(house, panel, "B2"), press(house, panel, "C2"))
    both = await panel_of(house, panel["id"], "B2, C2")
    assert gallery_of(both)[0]["description"].endswith("Marked: B2, C2.")
    await house.restart()
    await press(house, both, "B2")
    await panel_of(house, panel["id"], "**Cells** C2")

    opened = await press(house, panel, "Words")
    await house.fill(FINN, opened, prompt="a *green* boat", words="")
    await panel_of(house, panel["id"], "**Cells** C2", r"a \*green\* boat")

    before = {message["id"] for message in await house.local.messages(PAULA)}
    await asyncio.gather(press(house, panel, "Draw"), press(house, panel, "Draw"))
    async with asyncio.timeout(15):
        while not (found := await house.farm.open_ids()):
            await asyncio.sleep(0.05)
    await panel_of(house, panel["id"], "drawn")
    assert len(found) == 1
    job = await house.farm.load(found[0])
    assert (job.kind, job.parent_id, job.parent_index) == (JobKind.REGION, grid.id, 1)
    assert (job.prompt, job.manner) == ("a *green* boat", "remix")
    await house.see(job, "(Waiting to start)", "Variations (Region) by")
    await asyncio.sleep(0.5)
    shown = [m for m in await house.local.messages(PAULA) if m["id"] not in before]
    assert [message["id"] for message in shown] == [await house.message_of(job)]


async def test_naming_a_part_takes_the_cells_away_and_clear_takes_all(house: House) -> None:
    _, single = await single_of(house)
    panel = await house.told(await press(house, single, "Vary (Region)"))
    await press(house, panel, "E5")
    await panel_of(house, panel["id"], "**Cells** E5")
    opened = await press(house, panel, "Words")
    await house.fill(FINN, opened, prompt="", words="the sail")
    named = await panel_of(house, panel["id"], "**Part** the sail")
    assert "**Cells**" not in text_of(named)
    await press(house, panel, "Clear")

    def cleared(message: Json) -> bool:
        return message["id"] == panel["id"] and "**Part**" not in text_of(message)

    await house.local.wait_message(cleared, timeout=15, user=FINN)
    await press(house, panel, "Discard")
    gone = await panel_of(house, panel["id"], "Nothing is drawn")
    assert buttons_of(gone) == {}


async def test_somebody_elses_region_is_theirs(house: House) -> None:
    _, single = await single_of(house)
    told = await house.told(await press(house, single, "Vary (Region)", PAULA), PAULA)
    assert "somebody else" in text_of(told)


# --- a word in between ---------------------------------------------------------------------------


MANY = "a {red, blue, green} boat"  # one more than the free plan makes without a word


async def test_many_jobs_are_confirmed_first_and_drawn_once(house: House) -> None:
    asked = await house.told(await house.local.slash(FINN, "imagine", prompt=MANY))
    said = text_of(asked)
    assert "Draw 3 jobs?\n- a red boat\n- a blue boat\n- a green boat" in said
    assert "**Price** at most" in said
    assert "left after that" in said
    assert await house.local.messages(PAULA) == []
    assert await house.farm.open_ids() == []
    await asyncio.gather(press(house, asked, "Yes"), press(house, asked, "Yes"))
    async with asyncio.timeout(15):
        while len(await house.farm.open_ids()) < 3:
            await asyncio.sleep(0.05)
    for job_id in await house.farm.open_ids():
        async with asyncio.timeout(15):
            while not (await house.farm.route(job_id)).message_id:
                await asyncio.sleep(0.05)
        await house.see(await house.farm.load(job_id), "(Waiting to start)")
    await asyncio.sleep(0.5)
    assert len(await house.farm.open_ids()) == 3
    assert len(await house.local.messages(PAULA)) == 3


async def test_a_no_stays_a_no(house: House) -> None:
    desk = desk_of(house)
    asked = await house.told(await house.local.slash(FINN, "imagine", prompt=MANY))
    await press(house, asked, "No")
    await house.local.wait_message(
        lambda message: "Nothing is drawn" in text_of(message), timeout=15, user=FINN
    )
    draft = UUID(hex=buttons_of(asked)["Yes"].split(":")[3])
    with pytest.raises(Refusal, match="no longer kept"):  # as a Yes from another phone
        await desk.confirm(ASKER, draft, route=None)
    assert await house.farm.open_ids() == []
