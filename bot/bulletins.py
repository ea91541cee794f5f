"""Tells each server's moderators' channel what came up. Postgres remembers how far each has been told."""

import asyncio
import logging

import aiohttp
import discord

from bot.alertcards import alert_card
from bot.letters import shown_fields
from bot.turns import forever
from shared.oversight.alerts import Alerts, Pending

log = logging.getLogger(__name__)

EVERY_S = 5.0  # what comes up in between stands in one message
PATIENCE_S = 30.0
LONGEST_WAIT_S = 600.0


class Bulletins:
    def __init__(self, alerts: Alerts, client: discord.Client, *, every_s: float = EVERY_S) -> None:
        self._alerts = alerts
        self._client = client
        self._every_s = every_s
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        await self._client.wait_until_ready()
        await forever(self._turn)

    async def _turn(self) -> None:
        await self.step()
        await asyncio.sleep(self._every_s)

    async def step(self) -> None:
        """One message a channel at most; one that shuts us out is tried less and less often."""
        now = asyncio.get_running_loop().time()
        for pending in await self._alerts.pending():
            if now >= self._not_before.get(pending.guild_id, 0.0):
                await self._tell(pending, now)

    async def _tell(self, pending: Pending, now: float) -> None:
        try:
            await self._post(pending)
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            failures = self._failures.get(pending.guild_id, 0) + 1
            wait = min(self._every_s * 2**failures, LONGEST_WAIT_S)
            self._failures[pending.guild_id] = failures
            self._not_before[pending.guild_id] = now + wait
            log.warning("alerts of server %s: %s; again in %.0f s", pending.guild_id, error, wait)
            return
        self._failures.pop(pending.guild_id, None)
        await self._alerts.told(pending.guild_id, pending.alerts[-1].number)

    async def _post(self, pending: Pending) -> None:
        channel = self._client.get_partial_messageable(int(pending.channel_id))
        card = alert_card(pending.alerts, pending.counters)
        nonce = f"alerts:{pending.alerts[-1].number}"  # told twice in a row it stays one message
        async with asyncio.timeout(PATIENCE_S):
            await channel.send(**shown_fields(card), nonce=nonce)
