"""A light look at the jobs that are not finished: what the dispatcher must know, without the specs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select

from shared.connections import Session
from shared.jobs import JobState
from shared.plans import Speed
from shared.tables import jobs


@dataclass(frozen=True, slots=True)
class Brief:
    """Moments are seconds on the database's clock."""

    id: UUID
    account_id: UUID
    plan: str
    state: JobState
    speed: Speed
    attempt: int
    crashes: int
    worker: str | None
    estimate_ms: int
    gpu_ms: int | None
    checkpoint: str
    refiner: str | None
    steps: int
    submitted_at: float
    dispatched_at: float | None
    started_at: float | None
    finished_at: float | None


async def look(session: Session, ids: Collection[UUID] | None = None) -> list[Brief]:
    """Every open job, oldest first; or these jobs in whatever state they are."""
    if ids is None:
        return [_brief(row) for row in await session.execute(_ALL)]
    return [_brief(row) for row in await session.execute(_THESE, {"ids": list(ids)})]


async def look_waiting(session: Session, speed: Speed, *, limit: int) -> list[Brief]:
    """The oldest that wait in one lane."""
    query = _COLUMNS.where(
        jobs.c.state == JobState.WAITING, jobs.c.finished_at.is_(None), jobs.c.speed == speed
    )
    rows = await session.execute(query.order_by(jobs.c.submitted_at).limit(limit))
    return [_brief(row) for row in rows]


async def clock(session: Session) -> float:
    """The moment that a Brief's are measured on."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now.timestamp()


async def relax_use(session: Session, *, within: timedelta) -> list[tuple[UUID, int, float]]:
    """Account, measured GPU-milliseconds and moment of each relax job that ended lately."""
    query = (
        select(jobs.c.account_id, jobs.c.gpu_ms, jobs.c.finished_at)
        .where(jobs.c.speed == Speed.RELAX, jobs.c.gpu_ms > 0)
        .where(jobs.c.finished_at > func.clock_timestamp() - within)
        .order_by(jobs.c.finished_at)
    )
    return [(who, ms, at.timestamp()) for who, ms, at in await session.execute(query)]


_COLUMNS = select(
    jobs.c.id,
    jobs.c.account_id,
    jobs.c.plan,
    jobs.c.state,
    jobs.c.speed,
    jobs.c.attempt,
    jobs.c.crashes,
    jobs.c.worker,
    jobs.c.estimate_ms,
    jobs.c.gpu_ms,
    jobs.c.spec["checkpoint"].astext.label("checkpoint"),
    jobs.c.spec["refiner"]["checkpoint"].astext.label("refiner"),
    jobs.c.spec["steps"].as_integer().label("steps"),
    jobs.c.submitted_at,
    jobs.c.dispatched_at,
    jobs.c.started_at,
    jobs.c.finished_at,
)
_ALL = _COLUMNS.where(jobs.c.finished_at.is_(None)).order_by(jobs.c.submitted_at)
# One text for any number of ids, so that it stays prepared.
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_THESE = _COLUMNS.where(jobs.c.id == any_(_IDS)).order_by(jobs.c.submitted_at)


def _brief(row: Any) -> Brief:
    fields = dict(row._mapping)
    moments = {name: _seconds(fields[name]) for name in fields if name.endswith("_at")}
    words = {"state": JobState(fields["state"]), "speed": Speed(fields["speed"])}
    return Brief(**fields | moments | words)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
