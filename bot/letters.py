"""Words to one person, outside of any interaction. Best effort: who lets no bot write to them is not told.

Nothing of it is said in a channel instead: that somebody was blocked, warned or banned is theirs to know.
"""

import asyncio
import logging
from typing import Any

import aiohttp
import discord

from bot.buttons import embed_of, view_of
from bot.cards import Card
from bot.layouts import layout_of

log = logging.getLogger(__name__)

PATIENCE_S = 10.0


class Letters:
    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def write(self, discord_id: str, card: Card) -> bool:
        """Whether it arrived."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                channel = await self._client.create_dm(discord.Object(int(discord_id)))
                await channel.send(**shown_fields(card))
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("a letter was not delivered: %s", error)
            return False
        return True


def shown_fields(card: Card) -> dict[str, Any]:
    """Of a new message: an embed where that has room for it, else a layout."""
    if card.tall:
        return {"view": layout_of(card)}
    view = view_of(card)
    return {"embed": embed_of(card), **({"view": view} if view else {})}


def edited_fields(card: Card, *, laid_out: bool) -> dict[str, Any]:
    """`laid_out`: the message is a layout, which it stays for ever."""
    if laid_out or card.tall:
        return {"content": None, "embed": None, "view": layout_of(card)}
    return {"embed": embed_of(card), "view": view_of(card)}
