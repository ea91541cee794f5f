"""Who holds a job, and for how long still: the fence in front of everything that a worker writes."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Float, Integer, Uuid, bindparam, select, update

from shared.connections import Session
from shared.handovers import in_seconds
from shared.jobrows import told
from shared.jobs import JobState
from shared.tables import jobs


async def renew_leases(
    session: Session, worker: str, attempts: Mapping[UUID, int], lease_s: float
) -> set[UUID]:
    """Which of these this worker still owns; the others it has lost and must stop."""
    if not attempts:
        return set()
    ids = sorted(attempts)
    values = {"ids": ids, "attempts": [attempts[id] for id in ids]}
    values |= {"by": worker, "within_s": lease_s}
    return set((await session.execute(_RENEW, values)).scalars())


async def owned(session: Session, job_id: UUID, *, attempt: int, worker: str) -> bool:
    """Whether it runs at this worker, in this attempt, now."""
    values = {"of": job_id, "at_attempt": attempt, "by": worker}
    return (await session.execute(_OWNED, values)).one_or_none() is not None


_ATTEMPTS = told(ids=Uuid(), attempts=Integer())
_RUNNING_THERE = (jobs.c.state == JobState.RUNNING) & (jobs.c.worker == bindparam("by"))
_RENEW = (
    update(jobs)
    .where(_RUNNING_THERE, jobs.c.id == _ATTEMPTS.c.ids, jobs.c.attempt == _ATTEMPTS.c.attempts)
    .values(lease_until=in_seconds(bindparam("within_s", type_=Float())))
    .returning(jobs.c.id)
)
_OWNED = select(jobs.c.id).where(
    _RUNNING_THERE, jobs.c.id == bindparam("of"), jobs.c.attempt == bindparam("at_attempt")
)
