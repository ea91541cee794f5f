"""The leader's chores: every way a job, a hold, a worker or a token could be left behind has one.

Each is idempotent and runs in its own transaction, so a chore cut short is simply done again.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from farm import litter
from farm.chores import Chore
from farm.expiry import Expiry
from shared import allowances, assets, drafts, history, joblists, jobstore, ledger, lorarows, sweeps
from shared.catalog import Catalog
from shared.config import FarmSettings
from shared.connections import Database, Session
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.moderation.audit import audit
from shared.storage import ObjectStore, Stored

log = logging.getLogger(__name__)

HOLD_GRACE = timedelta(minutes=1)  # the transaction that ends a job releases its hold itself
CANCEL_LATE_S = 1.0  # the least deadline is five
RESCUER = "rescuer"  # the actor of what no person did
SILENT_FOR_GOOD = 20  # times the silence after which a worker gets no more jobs


class Maintenance:
    """`heard` is told of each job that moved; events may be lost, the leader's memory must not be.
    `merciful` says that Postgres is only just back: whoever is alive has not yet had time to say so."""

    def __init__(
        self,
        database: Database,
        events: Events,
        *,
        store: ObjectStore,
        catalog: Catalog,
        farm: FarmSettings,
        heard: Callable[[UUID], None] = lambda _: None,
        merciful: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database, self._events = database, events
        self._store, self._farm, self._heard = store, farm, heard
        self._merciful = merciful
        self._expiry = Expiry(database, catalog, farm=farm)
        self.chores = (
            Chore("rescue_lost", farm.rescue_every_s, self.rescue_lost),
            Chore("expire_waiting", 60.0, self.expire_waiting),
            Chore("cancel_late", CANCEL_LATE_S, self.cancel_late),
            Chore("release_stale_holds", 60.0, self.release_stale_holds),
            Chore("purge_assets", farm.purge_every_s, self.purge_assets),
            Chore("forget_silent_workers", 60.0, self.forget_silent_workers),
            Chore("drop_expired_tokens", 60.0, self.drop_expired_tokens),
            Chore("expire_months", 3600.0, self.expire_months),
        )

    async def rescue_lost(self) -> int:
        """Jobs whose lease is past wait again; after too many crashes they fail and are refunded.

        Not right after an outage: a lease that nobody could renew says nothing about its worker.
        """
        if self._merciful():
            return 0
        async with self._database.begin() as session:
            jobs = await jobstore.rescued(session, max_crashes=self._farm.max_crashes)
            for job in jobs:
                if job.state is JobState.FAILED:
                    await _refund(session, job)
                    await _dump(session, job)
        for job in jobs:
            log.warning(
                "job %s lost its worker, now %s, crashes %d", job.id, job.state, job.crashes
            )
        return await self._tell(jobs)

    async def expire_waiting(self) -> int:
        """Jobs that waited for too long, or for a GPU that is not there."""
        jobs = await self._expiry.expire_waiting()
        for job in jobs:
            log.warning("job %s waited in vain: %s", job.id, job.error_code)
        return await self._tell(jobs)

    async def cancel_late(self) -> int:
        """Jobs that somebody gave a deadline, and that are past it."""
        async with self._database.begin() as session:
            jobs = await jobstore.cancelled_late(session)
            for job in jobs:
                await _refund(session, job)
        return await self._tell(jobs)

    async def _tell(self, jobs: Sequence[Job]) -> int:
        for job in jobs:
            self._heard(job.id)
        await self._events.publish(
            *(JobEvent(job.id, EventKind.STATE, state=job.state.value) for job in jobs)
        )
        return len(jobs)

    async def release_stale_holds(self) -> int:
        async with self._database.begin() as session:
            stale = await sweeps.stale_holds(session, older_than=HOLD_GRACE)
            for job in stale:
                await _refund(session, job)
        return len(stale)

    async def purge_assets(self) -> int:
        """Files that no row will ever name: of crashed attempts, of zombies, previews of ended jobs."""
        gone = 0
        async for page in self._store.list():
            for key in await self._dead(page):
                await self._store.delete(key)
                gone += 1
        return gone + await self._store.tidy()

    async def _dead(self, page: Sequence[Stored]) -> list[str]:
        """The rows are read after the store was: `farm.litter` says why that order is safe."""
        old = [file.key for file in page if file.age_s > self._farm.purge_grace_s]
        left = litter.forgotten(old) + await self._unclaimed(litter.brought(old))
        left += await self._ownerless(litter.loras(old))
        files = {key: origin for key in old if (origin := litter.origin(key)) is not None}
        if not files:
            return left
        async with self._database.read() as session:
            named = await assets.named(session, files)
            jobs = await sweeps.standings(session, {file.job_id for file in files.values()})
        standings = {job_id: litter.Standing(*standing) for job_id, standing in jobs.items()}
        return left + litter.dead(files, standings=standings, named=named)

    async def _unclaimed(self, keys: Sequence[str]) -> list[str]:
        """Of pictures that people brought: those that neither a job nor a draft goes back to."""
        if not keys:
            return []
        async with self._database.read() as session:
            named = await joblists.uploads_named(session, keys)
            named |= await drafts.uploads_named(session)
        return [key for key in keys if key not in named]

    async def _ownerless(self, keys: Sequence[str]) -> list[str]:
        """Of LoRAs that people brought."""
        if not keys:
            return []
        async with self._database.read() as session:
            named = await lorarows.keys_named(session, keys)
        return [key for key in keys if key not in named]

    async def forget_silent_workers(self) -> int:
        silent = timedelta(seconds=self._farm.worker_silent_s * SILENT_FOR_GOOD)
        async with self._database.begin() as session:
            return len(await sweeps.forget_silent_workers(session, silent=silent))

    async def drop_expired_tokens(self) -> int:
        async with self._database.begin() as session:
            return await sweeps.drop_expired_tokens(session)

    async def expire_months(self) -> int:
        """What is left of months that are over; the next begins when its owner comes."""
        gone = 0
        while True:
            async with self._database.begin() as session:
                taken = await allowances.expire(session)
            gone += taken
            if taken < allowances.AT_ONCE:
                return gone


async def _refund(session: Session, job: Job) -> None:
    """In a savepoint: one job with broken books must not keep all the others from their rescue."""
    try:
        async with session.begin_nested():
            await ledger.release(session, job)
    except Fault:
        log.exception("the hold of job %s cannot be released", job.id)


async def _dump(session: Session, job: Job) -> None:
    """For the operator: what became of it and what the farm looked like. Never at the rescue's cost."""
    try:
        async with session.begin_nested():
            told = await history.dump(session, job.id)
            await audit(session, RESCUER, "gave_up", f"job:{job.id}", told)
    except Exception:
        log.exception("what became of job %s cannot be written down", job.id)
