"""The picture of a case as a moderator gets to see it: blurred first, clear on purpose, or not at all."""

import asyncio
import logging
from dataclasses import dataclass
from io import BytesIO

import discord

from bot.blurring import blurred
from bot.modcards import BLURRED, GONE, NO_PICTURE, NOT_KEPT, UNREADABLE, VEILED
from shared.errors import Fault
from shared.moderation.cases import PICTURE, Case
from shared.moderation.ranks import Moderator
from shared.oversight.review import Review
from shared.storage import ObjectStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Showing:
    review: Review
    store: ObjectStore

    async def veiled(self, mod: Moderator, case: Case) -> tuple[str, tuple[discord.File, ...]]:
        """What is said of the picture, and the blurred file where there is one."""
        if case.veiled:
            return VEILED, ()
        if case.kind == PICTURE:
            return NOT_KEPT, ()
        if case.job_id is None:
            return NO_PICTURE, ()
        found = await self.review.pictures(mod, case.id)
        if not found:
            return GONE, ()
        try:
            soft = await asyncio.to_thread(blurred, await self.store.get(found[0].key))
        except Fault as fault:
            log.warning("case %s is shown without its picture: %s", case.id, fault)
            return UNREADABLE, ()
        return BLURRED, (_spoiler(soft, "blurred.webp"),)

    async def clear(self, mod: Moderator, case: Case) -> discord.File | None:
        """Written down before it is shown."""
        found = await self.review.pictures(mod, case.id, reveal=True)
        if not found:
            return None
        name = found[0].key.rpartition("/")[2]
        return _spoiler(await self.store.get(found[0].key), name)


def _spoiler(picture: bytes, name: str) -> discord.File:
    return discord.File(BytesIO(picture), name, spoiler=True)
