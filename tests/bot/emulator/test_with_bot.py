"""discord.py, unchanged, talks to the local Discord."""

from bot.emulator.client import LocalDiscord
from bot.emulator.people import FINN, PAULA
from tests.bot.emulator.robot import Robot


async def test_logs_in_and_tells_its_commands(local: LocalDiscord, robot: Robot) -> None:
    names = {command.name for command in await robot.tree.fetch_commands()}
    assert {"paint", "counter", "choices"} <= names
    assert await local.violations() == []


async def test_defer_then_edit(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "paint", prompt="boat", colour="blue", count=2)
    message = await local.wait_message(lambda m: m["content"] == "2 blue boat", 5)
    assert message["edited_timestamp"] is None
    assert message["interaction_metadata"]["name"] == "paint"
    assert robot.interactions[0].user.name == "finn"
    assert await local.violations() == []


async def test_autocomplete(local: LocalDiscord, robot: Robot) -> None:
    choices = await local.autocomplete(FINN, "paint", "colour", prompt="boat", colour="re")
    assert [choice["value"] for choice in choices] == ["red", "green"]
    assert await local.violations() == []


async def test_ephemeral_is_seen_by_one(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "whisper")
    message = await local.wait_message(lambda m: m["content"] == "psst", 5)
    assert message["flags"] & 64
    assert await local.messages(PAULA) == []
