"""One evening in the channel: the real bot, Postgres, Redis, dispatcher, worker and trained model.

One stack serves the whole story, because starting it is the dear part: each chapter is a function.
"""

import asyncio
import io
import json
import os
import random
import re
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bot.emulator.people import FINN, PRIYA
from tests.e2e.conftest import Json, Town, buttons, image_of, labels, told
from tests.reading import headline_of, pictures_of, text_of

PROMPT = "a red sailboat on the sea at sunset, two birds --seed 7"
# Long enough to be caught in the middle, on any machine.
LONG = "a blue castle in the snow at night --seed 11 --steps 80"


@pytest.mark.timeout(480)
async def test_an_evening_in_the_channel(town: Town) -> None:
    grid = await imagine_shows_progress_and_ends_in_a_grid(town)
    single = await u2_enlarges_the_second_picture(town, grid)
    await anybody_may_ask_whether_it_was_made_here(town, single)
    await v1_varies_the_picture(town, single)
    await a_running_job_is_cancelled_and_costs_nothing(town)
    await who_waits_is_told_for_how_long_and_why(town)
    whole = await the_bot_dies_mid_job_and_the_message_still_ends(town)
    await the_worker_dies_mid_job_and_the_picture_is_the_same(town, whole)
    await refusals_are_for_the_asker_alone(town)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_ten_dead_workers_and_not_one_other_pixel(town: Town) -> None:
    whole = await town.finished(await town.imagine(LONG))
    for _ in range(10):
        await the_worker_dies_mid_job_and_the_picture_is_the_same(town, whole)


async def imagine_shows_progress_and_ends_in_a_grid(town: Town) -> Json:
    message = await town.imagine(PROMPT)
    seen = await statuses(town, message)
    final = await town.finished(message)
    assert len(seen) >= 2, f"the message told only {seen}"
    assert {"U1", "U2", "U3", "U4", "V1", "V2", "V3", "V4", "🔄"} <= labels(final)
    picture = await pixels(town, image_of(final))
    assert picture.shape == (1032, 1032, 3)  # four tiles of 512 and a gutter of 8
    assert picture.std() > 20, "a grid of nothing"
    assert not np.array_equal(picture[:512, :512], picture[520:, 520:]), "four times the same"
    return final


async def u2_enlarges_the_second_picture(town: Town, grid: Json) -> Json:
    single = await answer_to(town, grid, "U2")
    whole = await pixels(town, image_of(grid))
    large = await pixels(town, image_of(single))
    assert large.shape == (1024, 1024, 3)
    # Each has a mark of its own in its pixels, and the grid is lossy.
    assert np.abs(large[::2, ::2].astype(int) - whole[:512, 520:]).mean() < 6, "another picture"
    return single


async def anybody_may_ask_whether_it_was_made_here(town: Town, single: Json) -> None:
    """And its owner is told by which job."""
    job, _ = origin_of(single)
    for who, may_know in ((PRIYA, True), (FINN, False)):
        await town.discord.slash(who, "verify", link=image_of(single))
        answer = await town.discord.wait_message(
            partial(is_private, words="Manifest"), 60, user=who
        )
        assert "byte for byte" in told(answer)
        assert ("Made here" in told(answer), job in told(answer)) == (True, may_know)


async def v1_varies_the_picture(town: Town, single: Json) -> None:
    varied = await town.finished(await answer_to(town, single, "Vary (Subtle)"))
    assert image_of(varied) != image_of(single)


async def a_running_job_is_cancelled_and_costs_nothing(town: Town) -> None:
    message = await town.until(await town.imagine(LONG), "%)")
    await town.press(message, "Cancel")
    ended = await town.until(message, "(Cancelled)", within_s=20)
    assert "not charged" in told(ended)


async def who_waits_is_told_for_how_long_and_why(town: Town) -> None:
    """Four slots, six jobs: each message and /queue say what the dispatcher foresees."""
    messages = [await town.imagine(LONG) for _ in range(6)]
    soon = re.compile(r"Position 1 · (about|up to) [0-9 to]+ (s|min)\b.\w+", re.DOTALL)
    await town.discord.wait_message(lambda m: bool(soon.match(panel(m))), user=PRIYA)
    await town.discord.slash(PRIYA, "queue")
    listed = await town.discord.wait_message(lambda m: "of 12 running" in told(m), user=PRIYA)
    assert re.search(r"waiting \(fast\) · Position 1 · (about|up to) ", panel(listed))
    assert re.search(r"4 of 12 running, [12] of 20 waiting", told(listed))
    for message in reversed(messages):
        if "Cancel" in labels(await town.discord.message(message["id"])):
            await town.press(message, "Cancel")
            await town.until(message, "(Cancelled)", within_s=20)


def panel(message: Json) -> str:
    """All but the line above it."""
    embedded = [str(embed.get("description", "")) for embed in message["embeds"]]
    return "\n".join(embedded) or text_of(message).partition("\n")[2]


async def the_bot_dies_mid_job_and_the_message_still_ends(town: Town) -> Json:
    message = await town.until(await town.imagine(LONG), "%)")
    os.kill(town.stack.parts["bot"].pid, signal.SIGKILL)
    await asyncio.sleep(1)
    await town.stack.start("bot", "bot")
    final = await town.finished(message)
    again = await answer_to(town, final, "U1")  # a button from before the bot's death
    assert image_of(again) != image_of(final)
    return final


async def the_worker_dies_mid_job_and_the_picture_is_the_same(town: Town, whole: Json) -> None:
    percent = random.Random().randint(15, 75)
    message = await town.until(await town.imagine(LONG), "%)")
    await at_percent(town, message, percent)
    os.kill(town.stack.parts["worker"].pid, signal.SIGKILL)
    await town.stack.start("worker", "farm", "work")
    final = await town.finished(message)
    assert image_of(whole) != image_of(final)
    assert drawn(town, whole) == drawn(town, final), f"killed at {percent} %: other pixels"
    log = town.stack.parts["worker"].log.read_text()
    assert "resum" in log.lower(), "it began again at step 0"


async def refusals_are_for_the_asker_alone(town: Town) -> None:
    for prompt, words in {
        "a red house --stepz 12": "--steps",
        "a red house --steps 9000": "steps",
        "a red house --steps 60": "30",
        "--seed 4": "prompt",
        "x" * 6000: "2,000",
    }.items():
        await town.discord.slash(FINN, "imagine", prompt=prompt)
        answer = await town.discord.wait_message(partial(is_private, words=words), user=FINN)
        assert answer["id"] not in {seen["id"] for seen in await town.discord.messages(PRIYA)}


def is_private(message: Json, *, words: str) -> bool:
    """Ephemeral, as Discord marks it, and saying `words`."""
    return bool(message["flags"] & 64) and words in told(message)


async def answer_to(town: Town, message: Json, label: str) -> Json:
    """Presses a button and returns the new message once it shows a picture."""
    before = {seen["id"] for seen in await town.discord.messages(PRIYA)}
    await town.press(message, label)
    return await town.discord.wait_message(
        lambda seen: (
            seen["id"] not in before and bool(pictures_of(seen)) and "Cancel" not in buttons(seen)
        ),
        90,
        user=PRIYA,
    )


async def statuses(town: Town, message: Json) -> set[str]:
    """Every first line the message shows until it is final."""
    seen: set[str] = set()

    def final(found: Json) -> bool:
        if found["id"] == message["id"]:
            seen.add(headline_of(found))
        return found["id"] == message["id"] and "U1" in labels(found)

    await town.discord.wait_message(final, 90, user=PRIYA)
    return seen


async def at_percent(town: Town, message: Json, percent: int) -> None:
    def reached(seen: Json) -> bool:
        if seen["id"] != message["id"] or "%)" not in headline_of(seen):
            return False
        return int(headline_of(seen).rpartition("%)")[0].rpartition("(")[2]) >= percent

    await town.discord.wait_message(reached, 60, user=PRIYA)


def origin_of(message: Json) -> tuple[str, str]:
    """The job and the attempt of a finished message, from the address of its picture."""
    *_, job, attempt, _ = image_of(message).split("/")
    return job, attempt


def drawn(town: Town, message: Json) -> list[str]:
    """SHA-256s of what the model drew, before it was marked with its job: from the recipe beside it."""
    folder = Path(town.stack.environment["PICTOR_STORAGE__FOLDER"], *origin_of(message))
    (recipe,) = folder.glob("*-recipe.json")
    return [picture["rgb_sha256"] for picture in json.loads(recipe.read_text())["pictures"]]


async def pixels(town: Town, url: str) -> NDArray[np.uint8]:
    data = await town.discord.fetch(url)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
