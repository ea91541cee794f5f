from collections.abc import Sequence

from discord import app_commands
from discord.ext import commands

from bot.ordering import Ordering
from bot.reception import Interaction, Reception, open_public, venue_of
from shared.orders import Ask


class Imagine(commands.Cog):
    def __init__(self, ordering: Ordering, reception: Reception, examples: Sequence[str]) -> None:
        self._ordering = ordering
        self._reception = reception
        self._examples = tuple(examples)

    @app_commands.command(description="Draw four pictures from your words")
    @app_commands.describe(
        prompt="What to draw; parameters last, like --ar 3:2 --seed 7 --no birds"
    )
    async def imagine(self, interaction: Interaction, prompt: str) -> None:
        route = await open_public(interaction)
        person = await self._reception.person(interaction)
        venue, key = venue_of(interaction), str(interaction.id)
        await self._ordering.order(
            interaction, Ask("imagine", person, venue, key, route, text=prompt)
        )

    @imagine.autocomplete("prompt")
    async def suggest(
        self, interaction: Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        """Ideas for an empty box; who types knows what they want."""
        if current.strip():
            return []
        ideas = [text for text in self._examples if len(text) <= 100]
        return [app_commands.Choice(name=text, value=text) for text in ideas[:10]]
