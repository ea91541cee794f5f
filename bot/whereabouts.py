"""Where an interaction happens: whether the bot may work there, and what will reach its person later."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import discord

from bot.ways import reach_of
from shared.errors import Refusal
from shared.jobs import Job, Reach, Route
from shared.plans import Speed

Interaction = discord.Interaction[Any]
TOKEN_LIFE = timedelta(minutes=14)  # Discord's 15, less a minute for clocks that disagree
# As Discord's own settings call them.
NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
}
IN_THREADS = {"send_messages_in_threads": "Send Messages in Threads"}
SLOW_AWAY = (
    "Relax may take longer than Discord lets me show it here. Then your picture comes as a direct message: "
    "keep those open to me. It will be among your pictures in any case."
)


def require_room(interaction: Interaction) -> None:
    """Before anything is accepted. Refusal names what an administrator has to allow."""
    if not member_of(interaction) or interaction.guild_id is None:
        return  # answers go through the interaction, which needs no permission
    needed = dict(NEEDED)
    if isinstance(interaction.channel, discord.Thread):
        del needed["send_messages"]
        needed |= IN_THREADS
    granted = interaction.app_permissions
    missing = [title for name, title in needed.items() if not getattr(granted, name)]
    if missing:
        what = ", ".join(missing)
        sentence = (
            f"I may not work in this channel yet: I need {what}. Ask an administrator to allow that in the "
            "channel's settings, under Permissions, or try another channel."
        )
        raise Refusal("missing_permissions", sentence, field="channel")


def member_of(interaction: Interaction) -> bool:
    """False where only an account's installation lets it be used."""
    return interaction.is_guild_integration() or interaction.context.dm_channel


def route_to(interaction: Interaction, message_id: int, *, ephemeral: bool) -> Route:
    guild_id = interaction.guild_id
    reach = reach_of(member=member_of(interaction), direct=guild_id is None, ephemeral=ephemeral)
    interaction.extras["reach"] = reach
    return Route(
        channel_id=str(interaction.channel_id),
        message_id=str(message_id),
        user_id=str(interaction.user.id),
        guild_id=str(guild_id) if guild_id else None,
        application_id=str(interaction.application_id),
        token=interaction.token,
        token_expires_at=interaction.created_at + TOKEN_LIFE,
        file_limit=interaction.filesize_limit,
        reach=reach,
    )


def late_notes(interaction: Interaction, jobs: Sequence[Job]) -> tuple[str, ...]:
    """What to say of jobs that may outlive the only thing that can show them here."""
    slow = any(job.speed is Speed.RELAX for job in jobs)
    return (SLOW_AWAY,) if slow and interaction.extras.get("reach") is Reach.TOKEN else ()
