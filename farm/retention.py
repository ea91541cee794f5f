"""What ends by itself: suspensions, proposals, what was typed into a case, and files that were withdrawn."""

from datetime import timedelta

from farm.chores import Chore
from shared import drafts, hookdeliveries, inquiries, taskrows
from shared.config import SafetySettings
from shared.connections import Database
from shared.moderation import bans, cases, proposals
from shared.oversight import withdrawals
from shared.storage import ObjectStore

ASKED_LIFE = timedelta(hours=1)  # an answer is read within a minute
TOLD_LIFE = timedelta(days=30)  # of what webhooks were told


class Retention:
    """Each chore is idempotent, in a transaction of its own."""

    def __init__(self, database: Database, store: ObjectStore, safety: SafetySettings) -> None:
        self._database, self._store, self._safety = database, store, safety
        self.chores = (
            Chore("end_bans", 60.0, self.end_bans),
            Chore("expire_proposals", 600.0, self.expire_proposals),
            Chore("erase_cases", 600.0, self.erase_cases),
            Chore("remove_withdrawn", 30.0, self.remove_withdrawn),
            Chore("forget_inquiries", 600.0, self.forget_inquiries),
            Chore("forget_drafts", 3600.0, self.forget_drafts),
            Chore("forget_tasks", 3600.0, self.forget_tasks),
            Chore("forget_deliveries", 3600.0, self.forget_deliveries),
        )

    async def end_bans(self) -> int:
        async with self._database.begin() as session:
            return await bans.end_past(session)

    async def expire_proposals(self) -> int:
        async with self._database.begin() as session:
            return await proposals.expire(session)

    async def erase_cases(self) -> int:
        kept = timedelta(days=self._safety.prompt_retention_days)
        async with self._database.begin() as session:
            return await cases.erase_old(session, kept=kept)

    async def forget_inquiries(self) -> int:
        async with self._database.begin() as session:
            return await inquiries.forget(session, older_than=ASKED_LIFE)

    async def forget_drafts(self) -> int:
        """Nobody comes back to them after so many days."""
        async with self._database.begin() as session:
            return await drafts.forget(session, older_than=drafts.LIFE)

    async def forget_tasks(self) -> int:
        """Texts and forms of the proxy's dialect; a task with a job stays with it."""
        async with self._database.begin() as session:
            return await taskrows.forget(session, older_than=taskrows.LIFE)

    async def forget_deliveries(self) -> int:
        """Of webhooks, and the webhooks that are over with their last one."""
        async with self._database.begin() as session:
            return await hookdeliveries.forget(session, older_than=TOLD_LIFE)

    async def remove_withdrawn(self) -> int:
        """What a ban or a deletion could not delete at once."""
        return await withdrawals.remove_left(self._database, self._store)
