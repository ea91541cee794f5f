"""Which pictures are covered until somebody taps them: where a server asks for it, and what is judged strictly
where adults are."""

import logging
from datetime import datetime, timedelta

import discord

from shared import guildrows
from shared.connections import Database
from shared.errors import Fault
from shared.guilds import GuildSettings
from shared.jobs import Job, Route

log = logging.getLogger(__name__)

REMEMBERED = timedelta(seconds=15)  # progress comes more often than servers change their minds


class Veils:
    def __init__(self, client: discord.Client, database: Database) -> None:
        self._client = client
        self._database = database
        self._known: dict[str, tuple[datetime, GuildSettings]] = {}

    async def over(self, job: Job, route: Route, now: datetime) -> bool:
        """A rule that cannot be read covers: the other way round cannot be taken back."""
        channel = self._client.get_channel(int(route.channel_id))
        parent = getattr(channel, "parent_id", None)
        try:
            settings = await self._settings(route.guild_id, now)
        except Fault as fault:
            if fault.retryable:
                raise
            log.warning("the picture of job %s is covered: %s", job.id, fault)
            return True
        if settings.hides(route.channel_id, str(parent) if parent else None):
            return True
        return job.strict and _age_restricted(channel)

    async def _settings(self, guild_id: str | None, now: datetime) -> GuildSettings:
        if guild_id is None:
            return GuildSettings()
        until, known = self._known.get(guild_id, (now, GuildSettings()))
        if now < until:
            return known
        async with self._database.read() as session:
            known = await guildrows.read(session, guild_id)
        self._known[guild_id] = now + REMEMBERED, known
        return known


def _age_restricted(channel: object) -> bool:
    """A channel that nobody can tell the mark of has none."""
    nsfw = getattr(channel, "is_nsfw", None)
    return bool(nsfw and nsfw())
