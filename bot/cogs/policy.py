"""/policy explain: whether somebody may draw here with this, and by which line."""

from datetime import UTC, datetime

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.admincards import explained_card
from bot.cogs.serversettings import Place, picked
from bot.reception import Interaction, Reception, open_private, tell, venue_of
from bot.seats import seat
from shared.errors import Refusal
from shared.orders import Venue
from shared.oversight.explanations import Explanations
from shared.oversight.house import House


@app_commands.guild_only()
class Policy(commands.GroupCog, group_name="policy", group_description="What is allowed, and why"):
    def __init__(self, explanations: Explanations, house: House, reception: Reception) -> None:
        self._explanations = explanations
        self._house = house
        self._reception = reception

    @app_commands.command(description="Whether somebody may draw here, and by which line")
    @app_commands.describe(
        user="Yourself unless you say so; others are for moderators",
        model="Left out: the one that draws when nobody names one",
        channel="This one unless you say so",
    )
    async def explain(
        self,
        interaction: Interaction,
        user: discord.Member | None = None,
        model: str = "",
        channel: Place | None = None,
    ) -> None:
        await open_private(interaction)
        asker = await seat(self._house, interaction)
        whom = user or interaction.user
        if not isinstance(whom, discord.Member):
            raise Refusal("no_member", "They are not on this server.", field="user")
        told = await self._explanations.explain(
            asker,
            await self._reception.person_of(whom),
            _there(interaction, channel),
            model=model,
        )
        where = f"<#{channel.id if channel else interaction.channel_id}>"
        await tell(interaction, explained_card(f"<@{whom.id}>", where, told, datetime.now(UTC)))

    @explain.autocomplete("model")
    async def pick_model(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        catalog = self._explanations.catalog
        return picked([*catalog.checkpoints, *catalog.adapters], current)


def _there(interaction: Interaction, channel: Place | None) -> Venue:
    if channel is None:
        return venue_of(interaction)
    parent = getattr(channel, "parent_id", None)
    return Venue(
        guild_id=str(interaction.guild_id),
        channel_id=str(channel.id),
        age_restricted=bool(getattr(channel, "nsfw", False)),
        parent_id=str(parent) if parent else None,
    )
