"""/prefer: options of one's own, a suffix, and how buttons and messages behave."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from discord import app_commands
from discord.ext import commands

from bot.pickers import PICKER_S, Choices, plain_choices
from bot.quoting import quote
from bot.reception import Interaction, Reception, open_private, tell
from bot.settingscards import options_card, said_card
from shared.admission import FrontDesk
from shared.errors import Fault, Refusal
from shared.lineage import How
from shared.preferences import Preferences, with_option, with_suffix

Change = Callable[[Preferences], Preferences]
_HOWS = [app_commands.Choice(name=how.value.title(), value=how.value) for how in How]


class Prefer(
    commands.GroupCog, group_name="prefer", group_description="What holds for all your prompts"
):
    option = app_commands.Group(name="option", description="Names of your own for parameters")

    def __init__(self, desk: FrontDesk, reception: Reception) -> None:
        self._desk, self._reception = desk, reception

    @option.command(name="set", description="Make --name stand for words and parameters")
    @app_commands.describe(
        name="How you write it in a prompt, without dashes",
        value="What it stands for; left out, the option is taken away",
    )
    async def option_set(self, interaction: Interaction, name: str, value: str = "") -> None:
        chosen = await self._change(interaction, lambda one: with_option(one, name, value))
        await tell(interaction, options_card(chosen.options))

    @option_set.autocomplete("name")
    async def options(self, interaction: Interaction, current: str) -> Choices:
        try:
            async with asyncio.timeout(PICKER_S):
                person = await self._reception.person(interaction)
                mine = (await self._desk.preferences(person)).options
        except (Refusal, Fault, TimeoutError):
            return []
        return plain_choices(sorted(name for name in mine if current.casefold() in name))

    @option.command(name="list", description="The options that you made")
    async def option_list(self, interaction: Interaction) -> None:
        await open_private(interaction)
        chosen = await self._desk.preferences(await self._reception.person(interaction))
        await tell(interaction, options_card(chosen.options))

    @app_commands.command(description="Parameters that go behind every prompt")
    @app_commands.describe(
        parameters="Such as --ar 3:2 --no birds; left out, there is none any more"
    )
    async def suffix(self, interaction: Interaction, parameters: str = "") -> None:
        chosen = await self._change(interaction, lambda one: with_suffix(one, parameters))
        said = "Nothing goes behind your prompts any more."
        if chosen.suffix:
            said = f"Behind every prompt goes: {quote(chosen.suffix, 300)}"
        await tell(interaction, said_card(said))

    @app_commands.command(description="How far V1 to V4 go from a picture")
    @app_commands.describe(how="Strong changes much, subtle little")
    @app_commands.choices(how=_HOWS)
    async def variability(self, interaction: Interaction, how: str) -> None:
        await self._change(interaction, lambda one: replace(one, variability=How(how)))
        await tell(interaction, said_card(f"V1 to V4 now vary **{how}**."))

    @app_commands.command(description="Whether buttons ask for other words first")
    @app_commands.describe(on="Left out, it is turned over")
    async def remix(self, interaction: Interaction, on: bool | None = None) -> None:
        chosen = await self._change(
            interaction, lambda one: replace(one, remix=not one.remix if on is None else on)
        )
        await tell(interaction, said_card(remix_words(chosen)))

    @app_commands.command(description="Whether finished pictures come as a direct message, too")
    @app_commands.describe(on="Left out, it is turned over")
    async def auto_dm(self, interaction: Interaction, on: bool | None = None) -> None:
        chosen = await self._change(
            interaction, lambda one: replace(one, auto_dm=not one.auto_dm if on is None else on)
        )
        does = "also come" if chosen.auto_dm else "no longer come"
        await tell(interaction, said_card(f"Finished pictures {does} to you as a direct message."))

    async def _change(self, interaction: Interaction, change: Change) -> Preferences:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        return await self._desk.change_preferences(person, change)


def remix_words(chosen: Preferences) -> str:
    if chosen.remix:
        return "Remix is **on**: buttons under pictures ask you for other words first."
    return "Remix is **off**: buttons under pictures go on with their own words."
