"""The picture of a case in a moderator's message: behind a spoiler, blurred first."""

from dataclasses import dataclass
from io import BytesIO

import discord

from bot.modcards import BLURRED, GONE, NO_PICTURE, NOT_KEPT, UNREADABLE, VEILED
from shared.moderation.cases import Case
from shared.moderation.ranks import Moderator
from shared.oversight.exhibits import Exhibits, Shown

WORDS = {
    Shown.BLURRED: BLURRED,
    Shown.VEILED: VEILED,
    Shown.NOT_KEPT: NOT_KEPT,
    Shown.NO_PICTURE: NO_PICTURE,
    Shown.GONE: GONE,
    Shown.UNREADABLE: UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class Showing:
    exhibits: Exhibits

    async def veiled(self, mod: Moderator, case: Case) -> tuple[str, tuple[discord.File, ...]]:
        """What is said of the picture, and the blurred file where there is one."""
        found = await self.exhibits.veiled(mod, case)
        files = (_spoiler(found.data, found.name),) if found.data else ()
        return WORDS[found.shown], files

    async def clear(self, mod: Moderator, case: Case) -> discord.File | None:
        """Written down before it is shown."""
        found = await self.exhibits.clear(mod, case)
        return _spoiler(found.data, found.name) if found.data else None


def _spoiler(picture: bytes, name: str) -> discord.File:
    return discord.File(BytesIO(picture), name, spoiler=True)
