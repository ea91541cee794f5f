"""What is taken back: rows in the caller's transaction, files and rings after its commit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared import assets, deliveries, jobstore, ledger
from shared.bell import Bell
from shared.connections import Database, Session
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job
from shared.storage import ObjectStore

log = logging.getLogger(__name__)

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """Jobs that were cancelled and refunded, and keys of files that nobody is shown any more."""

    jobs: tuple[Job, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Withdrawals:
    database: Database
    bell: Bell
    events: Events
    store: ObjectStore

    async def take(self, session: Session, account_id: UUID, guild_id: str | None) -> Taken:
        """All that this account has open or was delivered (on this server). The account is locked."""
        jobs = await jobstore.cancelled_all(session, account_id, guild_id)
        for job in jobs:
            await ledger.release(session, job)
        keys = await assets.withdraw_all(session, account_id, guild_id)
        await deliveries.reopen(session, keys)
        return Taken(tuple(jobs), tuple(keys))

    async def finish(self, taken: Taken) -> None:
        """After the commit, and best effort: the sweeps do what this leaves."""
        if taken.jobs:
            rings = [(job.speed, job.worker, job.id, max(job.attempt, 0)) for job in taken.jobs]
            await self.bell.hush(rings)
            await self.events.publish(*map(_ended, taken.jobs))
        await self.remove(taken.keys)

    async def remove(self, keys: Sequence[str]) -> None:
        try:
            await remove(self.database, self.store, keys)
        except Fault as fault:
            log.warning("%d withdrawn files stay for the sweep (%s)", len(keys), fault.code)


async def remove(database: Database, store: ObjectStore, keys: Sequence[str]) -> int:
    """Deletes these files and writes down that they are gone. A Fault leaves the rest for next time."""
    gone: list[str] = []
    try:
        for key in keys:
            await store.delete(key)
            gone.append(key)
    finally:
        if gone:
            async with database.begin() as session:
                await assets.removed(session, gone)
    return len(gone)


async def remove_left(database: Database, store: ObjectStore) -> int:
    """What a crash or a store that was away has left behind."""
    async with database.read() as session:
        keys = await assets.to_remove(session, limit=AT_ONCE)
    return await remove(database, store, keys)


def _ended(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=job.state.value)
