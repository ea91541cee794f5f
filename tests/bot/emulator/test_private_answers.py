"""Messages that only one person sees: their buttons, their edits, their follow-ups, their end."""

import discord
import pytest

from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import ADA, FINN, MONA, PAULA
from tests.bot.emulator.robot import Robot


async def case(local: LocalDiscord) -> str:
    await local.slash(MONA, "mod queue")
    found = await local.wait_message(lambda m: m["content"] == "one case", 5, user=MONA)
    assert found["flags"] & 64
    return str(found["id"])


async def test_a_button_changes_its_message_and_says_more(
    local: LocalDiscord, robot: Robot
) -> None:
    message = await case(local)
    await local.click(MONA, message, "uphold")
    more = await local.wait_message(lambda m: "told" in m["content"], 5, user=MONA)
    assert more["flags"] & 64
    assert more["message_reference"]["message_id"] == message
    assert (await local.message(message))["content"] == "upheld"
    for who in (ADA, PAULA):
        assert await local.messages(who) == []
    assert await local.violations() == []


async def wait_text(local: LocalDiscord, message: str, text: str) -> None:
    await local.wait_message(lambda m: (m["id"], m["content"]) == (message, text), 5, user=MONA)


async def test_a_deferred_update_and_selects(local: LocalDiscord, robot: Robot) -> None:
    message = await case(local)
    for custom_id, values, text in (
        ("later", None, "put aside"),
        ("pages", ["a", "c"], "pages a,c"),
        ("pages", [], "pages "),
        ("who", [PAULA.id], "of paula ['@everyone', 'Paid']"),
    ):
        await local.wait_interaction(await local.click(MONA, message, custom_id, values))
        await wait_text(local, message, text)
    assert await local.violations() == []


async def test_selects_take_what_they_offer(local: LocalDiscord, robot: Robot) -> None:
    message = await case(local)
    with pytest.raises(Refused, match="between 0 and 2"):
        await local.click(MONA, message, "pages", ["a", "b", "c"])
    with pytest.raises(Refused, match="no option 'z'"):
        await local.click(MONA, message, "pages", ["z"])
    with pytest.raises(Refused, match="nothing with the id '3'"):
        await local.click(MONA, message, "who", ["3"])
    with pytest.raises(Refused, match="cannot see that message"):
        await local.click(ADA, message, "uphold")


async def test_a_dismissed_message_may_still_be_edited(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "whisper")
    message = await local.wait_message(lambda m: m["content"] == "psst", 5)
    await local.delete_message(FINN, message["id"])
    assert await local.messages(FINN) == []
    await robot.interactions[0].edit_original_response(content="still here?")
    assert await local.messages(FINN) == []
    await robot.interactions[0].delete_original_response()
    with pytest.raises(discord.NotFound):
        await robot.interactions[0].edit_original_response(content="no")
