"""The loop that answers /verify. It runs beside the image origin; pictures are opened in its cell.

Every picture goes through the operator's hash lists first, and is deleted when it is answered.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from farm.engine.messages import Picture
from farm.safety import keys
from farm.safety.cell import Cell
from farm.safety.examination import Examination, Trust
from farm.safety.watchlist import REFRESH_EVERY_S, Watchlist
from farm.verifier import Screen, Verifier
from shared import inquiries
from shared.config import Settings
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.inquiries import Inquiry
from shared.moderation.audit import audit
from shared.safety.verdict import Decision
from shared.storage import ObjectStore

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
VERIFY = "verify"  # the actor of what no person did
WITHHELD = "This picture is on a list of pictures that may not be shown. It was not kept."
UNCHECKED = Refusal("unchecked", "Pictures from outside cannot be checked at the moment.")
GONE = Refusal("picture_gone", "The picture is no longer there. Please ask again.")


class KnownPicture(Refusal):
    """On a hash list: the asker is told no more than that."""

    def __init__(self, rule: str, sha256: str) -> None:
        super().__init__("known_picture", WITHHELD)
        self.rule, self.sha256 = rule, sha256


class Inquirer:
    def __init__(
        self, database: Database, store: ObjectStore, *, verifier: Verifier, watch: Watchlist
    ) -> None:
        self._database, self._store = database, store
        self._verifier, self._watch = verifier, watch
        self._fresh_until = float("-inf")

    async def for_ever(self) -> None:
        """A Fault is ours to outlast: who asks is told that nobody came, and asks again."""
        while True:
            try:
                busy = await self.step()
            except Fault as fault:
                log.warning("%s (%s)", fault.sentence, fault.code)
                busy = False
            except Exception:
                log.exception("An inquiry met an error nobody expected.")
                busy = False
            if not busy:
                await asyncio.sleep(LOOK_EVERY_S)

    async def step(self) -> bool:
        """Whether there was one to answer."""
        async with self._database.begin() as session:
            inquiry = await inquiries.take(session)
        if inquiry is None:
            return False
        await self._refresh()
        try:
            answer = await self._verifier.verify(await self._picture(inquiry))
        except Refusal as refusal:
            await self._refused(inquiry, refusal)
        else:
            async with self._database.begin() as session:
                await inquiries.answer(session, inquiry.id, answer)
        await self._store.delete(inquiry.key)
        return True

    async def _picture(self, inquiry: Inquiry) -> bytes:
        try:
            return await self._store.get(inquiry.key)
        except Fault as fault:
            if fault.retryable:
                raise
            raise GONE from fault

    async def _refused(self, inquiry: Inquiry, refusal: Refusal) -> None:
        async with self._database.begin() as session:
            await inquiries.fail(session, inquiry.id, refusal)
            if isinstance(refusal, KnownPicture):
                told = {"rule": refusal.rule, "sha256": refusal.sha256}
                await audit(session, VERIFY, "known_hash", _subject(inquiry.account_id), told)

    async def _refresh(self) -> None:
        if time.monotonic() >= self._fresh_until:
            await self._watch.refresh(self._database)
            self._fresh_until = time.monotonic() + REFRESH_EVERY_S


def screening(watch: Watchlist) -> Screen:
    async def screen(data: bytes, seen: Examination) -> None:
        picture = Picture(0, seen.width, seen.height, seen.rgb, sha256=seen.sha256, seed=0)
        finding = await watch.screen_file(data, picture)
        if finding.rule.startswith("filter_failed"):
            raise UNCHECKED
        if finding.decision != Decision.ALLOW:
            raise KnownPicture(finding.rule, seen.sha256)

    return screen


@asynccontextmanager
async def answering(
    settings: Settings, database: Database, store: ObjectStore
) -> AsyncIterator[None]:
    """As long as this block lasts. Without keys nobody is answered, and the log and the doctor say so."""
    try:
        trust = open_trust(settings)
    except Fault as fault:
        log.error("/verify is not answered here: %s", fault.sentence)
        yield
        return
    cell, watch = Cell(trust), Watchlist(settings.worker.hashes)
    verifier = Verifier(cell, database, screening(watch))
    inquirer = Inquirer(database, store, verifier=verifier, watch=watch)
    loop = asyncio.create_task(inquirer.for_ever())
    try:
        yield
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
        await cell.close()


def open_trust(settings: Settings) -> Trust:
    """Fault `no_keys`. No signing key is needed: whoever answers signs nothing."""
    folder = settings.provenance.keys
    return Trust(keys.read_root(folder), keys.read_mark(folder))


def _subject(account_id: UUID | None) -> str:
    return f"account:{account_id}" if account_id else "nobody"
