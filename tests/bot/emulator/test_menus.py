"""Apps in the menus of messages and people."""

import pytest

from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import FINN, MONA, PAULA
from tests.bot.emulator.conftest import channel_of
from tests.bot.emulator.robot import Robot


async def test_a_messages_menu(local: LocalDiscord, robot: Robot) -> None:
    picture = await channel_of(robot).send("a boat")
    await local.menu(PAULA, "Report picture", message=str(picture.id))
    answer = await local.wait_message(lambda m: m["content"].startswith("rep"), 5, user=PAULA)
    assert answer["content"] == "reported pictor: a boat"
    assert answer["type"] == 23
    about = answer["interaction_metadata"]
    assert (about["name"], about["command_type"]) == ("Report picture", 3)
    assert about["target_message_id"] == str(picture.id)
    (interaction,) = robot.interactions
    assert interaction.message is None
    assert await local.violations() == []


async def test_a_persons_menu(local: LocalDiscord, robot: Robot) -> None:
    await local.menu(MONA, "Show strikes", target=FINN)
    answer = await local.wait_message(lambda m: "strikes" in m["content"], 5)
    assert answer["content"] == "strikes of finn"
    assert answer["interaction_metadata"]["target_user"]["username"] == "finn"
    assert await local.violations() == []


async def test_menus_offer_what_fits(local: LocalDiscord, robot: Robot) -> None:
    said = await local.say(FINN, "words")
    with pytest.raises(Refused, match="no command user menu Show strikes"):
        await local.menu(FINN, "Show strikes", target=PAULA)
    with pytest.raises(Refused, match="no command message menu Show strikes"):
        await local.menu(MONA, "Show strikes", message=said["id"])
    with pytest.raises(Refused, match="no command /Report"):
        await local.slash(MONA, "Report picture")
    with pytest.raises(Refused, match="Unknown User"):
        await local.menu(MONA, "Show strikes", target="5")


async def test_private_messages_have_no_apps(local: LocalDiscord, robot: Robot) -> None:
    await local.slash(FINN, "whisper")
    message = await local.wait_message(lambda m: m["content"] == "psst", 5)
    with pytest.raises(Refused, match="no apps"):
        await local.menu(FINN, "Report picture", message=message["id"])
    with pytest.raises(Refused, match="cannot see"):
        await local.menu(PAULA, "Report picture", message=message["id"])
