"""Jobs change hands: waiting -> dispatched to a worker -> running there. Many at once cost one statement.

What is not in the answer was not to be had: cancelled meanwhile, or somebody else's by now.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Integer, Text, Uuid, bindparam, func, update

from shared.connections import Session
from shared.jobrows import ROW, job_from, told
from shared.jobs import Job, JobState
from shared.tables import jobs

CLAIM_WITHIN_S = 30  # a worker that was rung and has not claimed by then has not heard it
_now = func.clock_timestamp


async def dispatched_all(session: Session, picks: Sequence[tuple[UUID, str]]) -> list[Job]:
    """waiting -> dispatched for each (job, worker), with a new attempt and a deadline for its claim."""
    if not picks:
        return []
    # In one order for all, so that two dispatchers never wait for each other in a circle.
    ids, names = zip(*sorted(picks), strict=True)
    values = {"ids": list(ids), "names": list(names), "within_s": CLAIM_WITHIN_S}
    return [job_from(row) for row in await session.execute(_DISPATCH, values)]


async def running_all(
    session: Session, attempts: Mapping[UUID, int], *, worker: str, lease_s: float
) -> list[Job]:
    """dispatched -> running for each {job: attempt} that this worker was sent: its claim."""
    if not attempts:
        return []
    ids = sorted(attempts)
    values = {"ids": ids, "attempts": [attempts[id] for id in ids]}
    values |= {"by": worker, "within_s": lease_s}
    return [job_from(row) for row in await session.execute(_CLAIM, values)]


async def dispatched(session: Session, job_id: UUID, *, worker: str) -> Job | None:
    return _only(await dispatched_all(session, [(job_id, worker)]))


async def running(
    session: Session, job_id: UUID, *, attempt: int, worker: str, lease_s: float
) -> Job | None:
    return _only(await running_all(session, {job_id: attempt}, worker=worker, lease_s=lease_s))


def in_seconds(seconds: Any) -> ColumnElement[Any]:
    return _now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _only(moved: list[Job]) -> Job | None:
    return moved[0] if moved else None


_PICKS = told(ids=Uuid(), names=Text())
_DISPATCH = (
    update(jobs)
    .where(jobs.c.id == _PICKS.c.ids, jobs.c.state == JobState.WAITING)
    .values(
        state=JobState.DISPATCHED,
        attempt=jobs.c.attempt + 1,
        worker=_PICKS.c.names,
        dispatched_at=_now(),
        lease_until=in_seconds(bindparam("within_s", type_=Float())),
    )
    .returning(*ROW)
)

_ATTEMPTS = told(ids=Uuid(), attempts=Integer())
_CLAIM = (
    update(jobs)
    .where(
        jobs.c.id == _ATTEMPTS.c.ids,
        jobs.c.attempt == _ATTEMPTS.c.attempts,
        jobs.c.worker == bindparam("by"),
        jobs.c.state == JobState.DISPATCHED,
    )
    .values(
        state=JobState.RUNNING,
        started_at=_now(),
        lease_until=in_seconds(bindparam("within_s", type_=Float())),
    )
    .returning(*ROW)
)
