"""Who sits at the moderators' desk: read from each interaction, remembered nowhere."""

import discord

from bot.reception import Interaction
from shared.moderation.ranks import Moderator
from shared.oversight.house import House


async def seat(house: House, interaction: Interaction) -> Moderator:
    """Discord signs roles and permissions into every interaction, so no cache of ours can be behind."""
    user = interaction.user
    roles = [str(role) for role in user._roles] if isinstance(user, discord.Member) else []
    return await house.moderator(
        str(user.id),
        user.display_name,
        str(interaction.guild_id) if interaction.guild_id else None,
        roles=roles,
        permissions=interaction.permissions.value,
    )
