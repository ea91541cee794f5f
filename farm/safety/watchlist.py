"""The hash lists of a worker: the operator's file and the rows that moderators imported, kept fresh.

The worker's parent matches, not its child: every picture passes through here on its way out, and every
source on its way in. A list that cannot be read lets nothing pass.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from farm.engine.messages import Finding, Picture
from farm.safety.detectors.contract import DAMAGED
from farm.safety.hashes import KnownHashes, read_list
from shared.connections import Database
from shared.errors import Fault
from shared.moderation import knownhashes
from shared.moderation.knownhashes import KnownHash

REFRESH_EVERY_S = 60.0
UNREADABLE = "filter_failed:hashes:list"


class Watchlist:
    """Without a file and before the first `refresh` nothing is known; see `open`."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._rows: list[KnownHash] = []
        self._counts: Mapping[str, int] = {}
        self._known: KnownHashes | None = KnownHashes.build(())

    def open(self) -> None:
        """The file's part. Fault when it cannot be read: then nothing passes."""
        try:
            self._known = KnownHashes.build([*self._listed(), *self._rows])
        except Fault:
            self._known = None
            raise

    async def refresh(self, database: Database) -> None:
        """Fault when a list cannot be read: then nothing passes. While Postgres is away the last list
        holds, for without it nothing is delivered either."""
        async with database.read() as session:
            counts = await knownhashes.counts(session)
            if counts != self._counts:
                self._rows = await knownhashes.everything(session)
                self._counts = counts
        await asyncio.to_thread(self.open)

    async def screen(
        self, pictures: Sequence[Picture], findings: Sequence[Finding]
    ) -> list[Finding]:
        """The findings, a known picture's in place of whatever was found in it."""
        known = self._known
        if known is None:
            return [_unread(finding) for finding in findings]
        return await asyncio.to_thread(known.screen, pictures, findings)

    async def screen_upload(self, data: bytes) -> Finding:
        known = self._known
        if known is None:
            return _unread(Finding("", "block", DAMAGED, 1.0, UNREADABLE, "none"))
        return await asyncio.to_thread(known.screen_upload, data)

    async def screen_file(self, data: bytes, picture: Picture) -> Finding:
        """A file from outside together with its pixels, as decoded by somebody who may."""
        known = self._known
        if known is None:
            return _unread(Finding("", "block", DAMAGED, 1.0, UNREADABLE, "none"))
        return await asyncio.to_thread(known.screen_file, data, picture)

    def _listed(self) -> list[KnownHash]:
        return [] if self._file is None else read_list(self._file)


def _unread(finding: Finding) -> Finding:
    told = {"decision": "block", "category": DAMAGED, "score": 1.0, "rule": UNREADABLE}
    return msgspec.structs.replace(finding, **told)
