"""The leader's chores: every way a job, a hold, a worker or a token could be left behind has one.

Each is idempotent and runs in its own transaction, so a chore cut short is simply done again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import random
from uuid import UUID

from shared import jobstore, ledger, sweeps
from shared.config import FarmSettings
from shared.connections import Database, Session
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState

log = logging.getLogger(__name__)

HOLD_GRACE = timedelta(minutes=1)  # the transaction that ends a job releases its hold itself
SILENT_FOR_GOOD = 20  # times the silence after which a worker gets no more jobs
LONGEST_REST_S = 30.0


@dataclass(frozen=True, slots=True)
class Chore:
    """`work` returns how many rows it put right."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[int]]

    async def for_ever(self) -> None:
        rest = self.every_s
        while True:
            try:
                done = await self.work()
                rest = self.every_s
                if done:
                    log.info("%s: %d", self.name, done)
            except Exception as error:
                rest = min(2 * rest, max(LONGEST_REST_S, self.every_s))
                _log_failure(self.name, error, rest=rest)
            # Jitter keeps the chores from falling into step.
            await asyncio.sleep(rest * (0.9 + 0.2 * random()))


class Maintenance:
    """`heard` is told of each job that moved; events may be lost, the leader's memory must not be."""

    def __init__(
        self,
        database: Database,
        events: Events,
        *,
        farm: FarmSettings,
        heard: Callable[[UUID], None] = lambda _: None,
    ) -> None:
        self._database, self._events = database, events
        self._farm, self._heard = farm, heard
        self.chores = (
            Chore("rescue_lost", farm.rescue_every_s, self.rescue_lost),
            Chore("release_stale_holds", 60.0, self.release_stale_holds),
            Chore("forget_silent_workers", 60.0, self.forget_silent_workers),
            Chore("drop_expired_tokens", 60.0, self.drop_expired_tokens),
        )

    async def rescue_lost(self) -> int:
        """Jobs whose lease is past wait again; after too many crashes they fail and are refunded."""
        async with self._database.begin() as session:
            jobs = await jobstore.rescued(session, max_crashes=self._farm.max_crashes)
            for job in jobs:
                if job.state is JobState.FAILED:
                    await _refund(session, job)
        for job in jobs:
            log.warning(
                "job %s lost its worker, now %s, crashes %d", job.id, job.state, job.crashes
            )
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

    async def forget_silent_workers(self) -> int:
        silent = timedelta(seconds=self._farm.worker_silent_s * SILENT_FOR_GOOD)
        async with self._database.begin() as session:
            return len(await sweeps.forget_silent_workers(session, silent=silent))

    async def drop_expired_tokens(self) -> int:
        async with self._database.begin() as session:
            return await sweeps.drop_expired_tokens(session)


async def _refund(session: Session, job: Job) -> None:
    """In a savepoint: one job with broken books must not keep all the others from their rescue."""
    try:
        async with session.begin_nested():
            await ledger.release(session, job)
    except Fault:
        log.exception("the hold of job %s cannot be released", job.id)


def _log_failure(name: str, error: Exception, *, rest: float) -> None:
    if isinstance(error, Fault):
        log.warning("%s failed (%s), again in %.1f s", name, error.code, rest)
    else:
        log.error("%s failed, again in %.1f s", name, rest, exc_info=error)
