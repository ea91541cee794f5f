"""/info, /settings, /prefer, the switches, /help: what people set, see and find, through the local Discord."""

from bot.emulator import people
from bot.settingscards import SWITCHES
from tests.bot.house import House, Json, buttons_of, text_of


async def say(house: House, command: str, who: people.Person = people.FINN, **options: str) -> str:
    return text_of(await ask(house, command, who, **options))


async def ask(house: House, command: str, who: people.Person = people.FINN, **options: str) -> Json:
    return await house.told(await house.local.slash(who, command, **options), who)


async def press(house: House, card: Json, label: str) -> Json:
    """The card as it is after one of its buttons was pressed."""
    before, target = text_of(card), buttons_of(card)[label]
    await house.local.click(people.FINN, card["id"], target)
    return await house.local.wait_message(
        lambda one: one["id"] == card["id"] and text_of(one) != before
    )


async def test_info_says_what_midjourneys_says(house: House) -> None:
    await house.finish(await house.imagine())
    await house.imagine("a boat --relax")
    told = await say(house, "info")
    wanted = [
        "**Subscription**: Free", "**Job Mode**: Fast", "**Visibility Mode**: Public",
        "**Fast Time Remaining**: ", "minutes (", "**Lifetime Usage**: 4 images (0.00 hours)",
        "**Relaxed Usage**: 0 images", "**Queued Jobs (fast)**: 0", "**Queued Jobs (relax)**: 1",
        "**Running Jobs**: 0 of",
    ]  # fmt: skip
    assert [words for words in wanted if words not in told] == []


async def test_settings_are_buttons_and_menus_that_work_after_a_restart(house: House) -> None:
    card = await ask(house, "settings")
    for label, words in (
        ("Stylize high", "**Stylize**: 250"),
        ("Vary subtle", "**Variability**: subtle"),
        ("Raw", "**Raw**: on"),
        ("Remix", "**Remix**: on"),
        ("Relax", "**Speed**: relax"),
    ):
        card = await press(house, card, label)
        assert words in text_of(card)
    await house.restart()
    menu = card["components"][0]["components"][0]
    assert [one["value"] for one in menu["options"]] == ["-", "postcards"]
    await house.local.click(people.FINN, card["id"], menu["custom_id"], ["postcards"])
    card = await house.local.wait_message(lambda one: "**Model**: postcards" in text_of(one))
    card = await press(house, card, "Reset")
    assert "**Stylize**: the usual" in text_of(card)
    assert "**Speed**: relax" in text_of(card)  # of the account, not of its taste
    assert "Turbo" not in buttons_of(card)  # the plan has none
    assert "no checkpoint" in await say(house, "settings", model="nonsense")
    assert "no style" in await say(house, "settings", style="nonsense")
    assert "**Style**: sepia" in await say(house, "settings", style="sepia")


async def test_prefer_keeps_options_a_suffix_and_manners(house: House) -> None:
    told = await say(house, "prefer option set", name="mine", value="oil painting --ar 3:2")
    assert "`--mine` oil painting --ar 3:2" in told
    assert await house.local.autocomplete(people.FINN, "prefer option set", "name", name="mi")
    assert "means something already" in await say(house, "prefer option set", name="ar", value="no")
    assert "--mine" in await say(house, "prefer option list")
    assert "None yet" in await say(house, "prefer option list", people.PAULA)
    assert "None yet" in await say(house, "prefer option set", name="mine")
    assert "goes: --no birds" in await say(house, "prefer suffix", parameters="--no birds")
    assert "is no parameter" in await say(house, "prefer suffix", parameters="a boat")
    assert "Nothing goes" in await say(house, "prefer suffix")
    assert "**subtle**" in await say(house, "prefer variability", how="subtle")
    assert "**on**" in await say(house, "prefer remix")
    assert "**off**" in await say(house, "prefer remix")
    assert "also come" in await say(house, "prefer auto_dm")


async def test_switches_have_commands_of_their_own(house: House) -> None:
    assert "**relax**" in await say(house, "relax")
    assert "no turbo speed" in await say(house, "turbo")
    assert "**fast**" in await say(house, "fast")
    assert "**public**" in await say(house, "public")
    assert "Remix is **on**" in await say(house, "remix")
    assert "**Remix**: on" in await say(house, "settings")
    stealth = await say(house, "stealth", people.MONA)
    assert "**stealth**" in stealth


async def test_help_by_topic_and_by_parameter(house: House) -> None:
    assert "/imagine" in await say(house, "help")
    assert "/receipt" in await say(house, "help", topic="commands")
    table = await say(house, "help", topic="parameters")
    assert "--chaos" in table
    assert "--lora" in table
    assert "0 to 100" in await say(house, "help", parameter="chaos")
    picked = await house.local.autocomplete(people.FINN, "help", "parameter", parameter="sty")
    assert any("--stylize" in one["value"] for one in picked)
    assert "--stylize" in await say(house, "help", parameter=picked[0]["value"])
    assert "no parameter --nothing" in await say(house, "help", parameter="nothing")


def test_every_switch_has_a_number_of_its_own_for_ever() -> None:
    numbers = {0, 1, 2, 3, 10, 11, 12, 13, 14, 30, 31, 40}
    assert set(SWITCHES) == numbers, "a number in old messages must not change its meaning"
