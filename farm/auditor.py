"""The farm's own bookkeeper: compares what must agree, and says so when it does not. It repairs nothing."""

import logging
from collections.abc import Mapping, Sequence

from farm.chores import Tally
from shared import reconcile
from shared.config import DatabaseSettings
from shared.connections import Database
from shared.moderation.audit import audit

log = logging.getLogger(__name__)

PATIENCE_MS = 300_000  # it reads every job and every entry there ever was
MOST_TOLD = 100  # of each kind, in one audit row
ACTOR = "auditor"


class Auditor:
    """A mismatch is a metric, an audit row when it is news, and an error in the log each time."""

    def __init__(self, settings: DatabaseSettings, tally: Tally) -> None:
        changes = {"statement_timeout_ms": PATIENCE_MS, "pool_size": 1}
        self._settings, self._tally = settings.model_copy(update=changes), tally
        self._told: Mapping[str, Sequence[str]] = {}

    async def reconcile(self) -> int:
        database = Database.connect(self._settings)
        try:
            return await self._compare(database)
        finally:
            await database.close()

    async def _compare(self, database: Database) -> int:
        async with database.read() as session:
            found = await reconcile.mismatches(session)
        for check, lines in found.items():
            self._tally.mismatches(check, len(lines))
            if lines:
                log.error("%s: %d mismatches, first: %s", check, len(lines), lines[0])
        wrong = {check: lines[:MOST_TOLD] for check, lines in found.items() if lines}
        if wrong and wrong != self._told:
            async with database.begin() as session:
                await audit(session, ACTOR, "mismatch", "books", dict(wrong))
        self._told = wrong
        return sum(len(lines) for lines in found.values())
