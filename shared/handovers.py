"""Jobs change hands: waiting -> dispatched to a worker -> running there. Many at once cost one statement.

What is not in the answer was not to be had: cancelled meanwhile, or somebody else's by now.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Text, Uuid, column, func, literal, update

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobState
from shared.tables import jobs

CLAIM_WITHIN_S = 30  # a worker that was rung and has not claimed by then has not heard it
_now = func.clock_timestamp


async def dispatched_all(session: Session, picks: Sequence[tuple[UUID, str]]) -> list[Job]:
    """waiting -> dispatched for each (job, worker), with a new attempt and a deadline for its claim."""
    # In one order for all, so that two dispatchers never wait for each other in a circle.
    ids, names = zip(*sorted(picks), strict=True) if picks else ((), ())
    told = _table(("id", Uuid(), ids), ("worker", Text(), names))
    statement = (
        update(jobs)
        .where(jobs.c.id == told.c.id, jobs.c.state == JobState.WAITING)
        .values(
            state=JobState.DISPATCHED,
            attempt=jobs.c.attempt + 1,
            worker=told.c.worker,
            dispatched_at=_now(),
            lease_until=in_seconds(CLAIM_WITHIN_S),
        )
    )
    return await _moved(session, statement) if picks else []


async def running_all(
    session: Session, attempts: Mapping[UUID, int], *, worker: str, lease_s: float
) -> list[Job]:
    """dispatched -> running for each {job: attempt} that this worker was sent: its claim."""
    ids = sorted(attempts)
    told = _table(("id", Uuid(), ids), ("attempt", Integer(), [attempts[id] for id in ids]))
    statement = (
        update(jobs)
        .where(
            jobs.c.id == told.c.id,
            jobs.c.attempt == told.c.attempt,
            jobs.c.worker == worker,
            jobs.c.state == JobState.DISPATCHED,
        )
        .values(state=JobState.RUNNING, started_at=_now(), lease_until=in_seconds(lease_s))
    )
    return await _moved(session, statement) if ids else []


async def dispatched(session: Session, job_id: UUID, *, worker: str) -> Job | None:
    return _only(await dispatched_all(session, [(job_id, worker)]))


async def running(
    session: Session, job_id: UUID, *, attempt: int, worker: str, lease_s: float
) -> Job | None:
    return _only(await running_all(session, {job_id: attempt}, worker=worker, lease_s=lease_s))


def in_seconds(seconds: float) -> ColumnElement[Any]:
    return _now() + func.make_interval(0, 0, 0, 0, 0, 0, literal(float(seconds)))


def _table(*columns: tuple[str, Any, Sequence[Any]]) -> Any:
    """Columns of values as a table: one statement text, however many rows it has."""
    arrays = (literal(list(values), ARRAY(kind)) for _, kind, values in columns)
    names = (column(name, kind) for name, kind, _ in columns)
    return func.unnest(*arrays).table_valued(*names).render_derived(name="told")


async def _moved(session: Session, statement: Any) -> list[Job]:
    rows = await session.execute(statement.returning(*ROW))
    return [job_from(row) for row in rows]


def _only(moved: list[Job]) -> Job | None:
    return moved[0] if moved else None
