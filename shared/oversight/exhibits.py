"""The picture of a case as a moderator gets to see it: blurred first, clear on purpose, or not at all."""

import asyncio
import logging
from dataclasses import dataclass
from enum import StrEnum

from shared.blurring import blurred
from shared.errors import Fault
from shared.moderation.cases import PICTURE, Case
from shared.moderation.ranks import Moderator
from shared.oversight.review import Review
from shared.storage import ObjectStore

log = logging.getLogger(__name__)


class Shown(StrEnum):
    """What became of it."""

    BLURRED = "blurred"
    CLEAR = "clear"
    VEILED = "veiled"  # the rule that it fell under: nobody sees it
    NOT_KEPT = "not_kept"  # what a filter withholds is not stored
    NO_PICTURE = "no_picture"  # nothing was drawn
    GONE = "gone"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """`data` and `name` of the file, where there is one."""

    shown: Shown
    data: bytes = b""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Exhibits:
    review: Review
    store: ObjectStore

    async def veiled(self, mod: Moderator, case: Case) -> Exhibit:
        """A blurred one, or why there is none."""
        if case.veiled:
            return Exhibit(Shown.VEILED)
        if case.kind == PICTURE:
            return Exhibit(Shown.NOT_KEPT)
        if case.job_id is None:
            return Exhibit(Shown.NO_PICTURE)
        found = await self.review.pictures(mod, case.id)
        if not found:
            return Exhibit(Shown.GONE)
        try:
            soft = await asyncio.to_thread(blurred, await self.store.get(found[0].key))
        except Fault as fault:
            log.warning("case %s is shown without its picture: %s", case.id, fault)
            return Exhibit(Shown.UNREADABLE)
        return Exhibit(Shown.BLURRED, soft, "blurred.webp")

    async def clear(self, mod: Moderator, case: Case) -> Exhibit:
        """Written down before it is shown. Refusal `never_revealed`."""
        found = await self.review.pictures(mod, case.id, reveal=True)
        if not found:
            return Exhibit(Shown.GONE)
        data = await self.store.get(found[0].key)
        return Exhibit(Shown.CLEAR, data, found[0].key.rpartition("/")[2])
