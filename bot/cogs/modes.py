"""The switches that have a command of their own: /turbo /fast /relax, /stealth /public, /remix."""

from dataclasses import replace

from discord import app_commands
from discord.ext import commands

from bot.cogs.prefer import remix_words
from bot.reception import Interaction, Reception, open_private, tell
from bot.settingscards import said_card
from shared.admission import FrontDesk
from shared.plans import Speed, Visibility

_SAID = {
    Visibility.STEALTH: "Your pictures are now seen by you and the moderators alone: **stealth**.",
    Visibility.PUBLIC: "Galleries may now show your pictures: **public**.",
}


class Modes(commands.Cog):
    def __init__(self, desk: FrontDesk, reception: Reception) -> None:
        self._desk, self._reception = desk, reception

    @app_commands.command(description="From now on first in line, at twice the price")
    async def turbo(self, interaction: Interaction) -> None:
        await self._run_at(interaction, Speed.TURBO)

    @app_commands.command(description="From now on as soon as a GPU is free")
    async def fast(self, interaction: Interaction) -> None:
        await self._run_at(interaction, Speed.FAST)

    @app_commands.command(description="From now on free, when there is room")
    async def relax(self, interaction: Interaction) -> None:
        await self._run_at(interaction, Speed.RELAX)

    @app_commands.command(
        description="From now on nobody but you and the moderators sees your jobs"
    )
    async def stealth(self, interaction: Interaction) -> None:
        await self._be_seen(interaction, Visibility.STEALTH)

    @app_commands.command(description="From now on galleries may show your pictures")
    async def public(self, interaction: Interaction) -> None:
        await self._be_seen(interaction, Visibility.PUBLIC)

    @app_commands.command(description="Turns over whether buttons ask for other words first")
    async def remix(self, interaction: Interaction) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        before = await self._desk.preferences(person)
        chosen = replace(before, remix=not before.remix)
        await self._desk.set_preferences(person, chosen)
        await tell(interaction, said_card(remix_words(chosen)))

    async def _run_at(self, interaction: Interaction, speed: Speed) -> None:
        await open_private(interaction)
        await self._desk.set_speed(await self._reception.person(interaction), speed)
        said = f"Your pictures now run at **{speed}** unless a prompt says otherwise."
        await tell(interaction, said_card(said))

    async def _be_seen(self, interaction: Interaction, who: Visibility) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        before = await self._desk.preferences(person)
        await self._desk.set_preferences(person, replace(before, visibility=who))
        await tell(interaction, said_card(_SAID[who]))
