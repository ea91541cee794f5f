"""An evening at the moderators' desk, with the whole stack: appeal, report and ban, as people see them.

One stack serves the whole story, because starting it is the dear part: each chapter is a function.
"""

import aiohttp
import pytest

from bot.emulator.people import ADA, FINN, MAX, MOD_LOG_CHANNEL_ID, MONA, PAULA, PRIYA, Person
from tests.e2e.conftest import Json, Town, buttons, image_of, labels, told
from tests.e2e.looking import look
from tests.reading import pictures_of, text_of

WISH = "a red sailboat on the sea at sunset, two birds --seed 7"
PLAIN = "a blue castle in the snow at night --seed 11"
LONG = f"{PLAIN} --steps 60"


@pytest.mark.timeout(300)
async def test_an_evening_at_the_moderators_desk(town: Town) -> None:
    await the_server_sets_its_rules(town)
    refused = await a_prompt_is_refused_with_its_reason(town)
    await its_author_appeals(town, refused)
    lifted = await a_moderator_lifts_it_and_the_picture_is_drawn(town)
    await a_report_takes_the_picture_down(town, lifted)
    await a_ban_cancels_what_waits_and_withdraws_what_was_drawn(town)


async def the_server_sets_its_rules(town: Town) -> None:
    set_up = (
        ("mod channel", {"where": MOD_LOG_CHANNEL_ID}, "Alerts go to"),
        (
            "mod blocklist add",
            {"term": "sailboat", "category": "gore", "strength": "explicit"},
            "stopped here",
        ),
    )
    for command, options, words in set_up:
        await town.discord.slash(ADA, command, **options)
        await seen(town, ADA, words)


async def a_prompt_is_refused_with_its_reason(town: Town) -> Json:
    asked = await town.discord.slash(FINN, "imagine", prompt=WISH)
    refused = await seen(town, FINN, "This prompt was blocked", "gore", "sailboat", to=asked)
    assert refused["flags"] & 64
    assert labels(refused) == {"Appeal"}
    await look(town, FINN, "refused")
    return refused


async def its_author_appeals(town: Town, refused: Json) -> None:
    pressed = await town.discord.click(FINN, refused["id"], buttons(refused)["Appeal"])
    await town.discord.wait_interaction(pressed)
    sent = await town.discord.submit(FINN, pressed, text="It is only a boat.")
    await seen(town, FINN, "A moderator will look", to=sent)
    alert = await seen(town, MONA, "Appeal", "waits", channel=MOD_LOG_CHANNEL_ID)
    assert "sailboat" not in told(alert)


async def a_moderator_lifts_it_and_the_picture_is_drawn(town: Town) -> Json:
    await town.discord.slash(MONA, "mod queue")
    queue = await seen(town, MONA, "Review queue", "appealed")
    await look(town, MONA, "queue")
    await town.press(queue, "1", user=MONA)
    case = await seen(town, MONA, "Refused prompt", f"||{WISH}||", "only a boat")
    await look(town, MONA, "case")
    await town.press(case, "Lift", user=MONA)
    await seen(town, MONA, "The block is lifted")
    final = await town.discord.wait_message(
        lambda message: "U1" in labels(message) and WISH in text_of(message), 90, user=FINN
    )
    assert (await fetched(image_of(final))) == 200
    direct = await town.discord.direct(FINN)
    await seen(town, FINN, "The block was lifted", channel=direct)
    await look(town, FINN, "lifted")
    return final


async def a_report_takes_the_picture_down(town: Town, shown: Json) -> None:
    link = image_of(shown)
    opened = await town.discord.menu(PAULA, "Report", message=shown["id"])
    await town.discord.wait_interaction(opened)
    await town.discord.submit(PAULA, opened, reason="gore", text="I cannot bear boats.")
    await seen(town, PAULA, "Thank you")
    await its_author_appeals(town, await a_prompt_is_refused_with_its_reason(town))
    await town.discord.slash(MONA, "mod queue")
    await seen(town, MONA, "Review queue", "Report", "appealed")
    await town.discord.slash(MONA, "mod review")
    case = await seen(town, MONA, "The reporter says", "cannot bear", WISH)
    assert [file["filename"] for file in case["attachments"]] == ["SPOILER_blurred.webp"]
    await look(town, MONA, "review", height=1_080)
    await town.press(case, "Uphold", user=MONA)
    withdrawn = await town.until(shown, "(Withdrawn)", within_s=20)
    assert "Withdrawn by a moderator" in told(withdrawn)
    assert pictures_of(withdrawn) == []
    assert buttons(withdrawn) == {}
    assert (await fetched(link)) == 404


async def a_ban_cancels_what_waits_and_withdraws_what_was_drawn(town: Town) -> None:
    done = await town.finished(await town.imagine(PLAIN))
    waiting = [await town.imagine(LONG) for _ in range(6)]
    await town.discord.slash(MAX, "mod ban", user=PRIYA.id, reason="Enough of castles")
    await seen(town, MAX, "is banned", "refunded: 6 jobs")
    for message in waiting:
        assert "by a moderator" in told(await town.until(message, "(Cancelled)", within_s=20))
    await town.until(done, "(Withdrawn)", within_s=20)
    await look(town, MAX, "banned")
    assert (await fetched(image_of(done))) == 404
    await town.discord.slash(PRIYA, "imagine", prompt=PLAIN)
    assert (await seen(town, PRIYA, "You are banned"))["flags"] & 64


async def seen(town: Town, who: Person, *words: str, channel: str = "", to: str = "") -> Json:
    """The first message that this person sees say all of this; `to` is what it must answer."""

    def says(message: Json) -> bool:
        answered = (message.get("interaction_metadata") or {}).get("id")
        return to in ("", answered) and all(word in told_plainly(message) for word in words)

    return await town.discord.wait_message(says, 30, user=who, channel=channel)


def told_plainly(message: Json) -> str:
    return text_of(message)


async def fetched(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status
