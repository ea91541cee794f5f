"""What the maintenance jobs ask of Postgres. Each statement may be repeated without harm."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    and_,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import array, distinct_on

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobState
from shared.tables import balances, deliveries, jobs, ledger, workers

TOKEN_LIFE = timedelta(minutes=15)  # Discord's own limit for an interaction token
_REFUNDED = (JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED)
_now = func.clock_timestamp
AT_ONCE = 500  # jobs that one sweep ends in one transaction; the next one takes the rest
Kind = tuple[str, str | None]  # checkpoint and refiner
# Literals: Postgres must see that what is distinct is what is ordered by.
_KIND: tuple[ColumnElement[Any], ...] = (
    literal_column("jobs.spec ->> 'checkpoint'"),
    literal_column("jobs.spec #>> '{refiner,checkpoint}'"),
)


async def stale_holds(session: Session, *, older_than: timedelta) -> list[Job]:
    """Jobs that ended without a picture and whose credit is still held."""
    hold, release = ledger.alias(), ledger.alias()
    released = exists().where(release.c.job_id == jobs.c.id, release.c.kind == "release")
    query = (
        select(*ROW)
        .join(balances, balances.c.account_id == jobs.c.account_id)
        .join(hold, (hold.c.job_id == jobs.c.id) & (hold.c.kind == "hold"))
        .where(balances.c.held_ms > 0, jobs.c.state.in_(_REFUNDED), ~released)
        .where(jobs.c.finished_at < _now() - older_than)
    )
    return [job_from(row) for row in await session.execute(query)]


async def drop_expired_tokens(session: Session) -> int:
    """Discord takes them no longer; whoever reads the table could still learn from them."""
    route = deliveries.c.route
    told = cast(route["token_expires_at"].astext, DateTime(timezone=True))
    expires = func.coalesce(told, deliveries.c.at + TOKEN_LIFE)
    statement = (
        update(deliveries)
        .where(route["token"].astext.is_not(None), expires < _now())
        .values(route=route.op("-")(array(["token", "token_expires_at"])))
        .returning(deliveries.c.job_id)
    )
    return len((await session.execute(statement)).all())


async def forget_silent_workers(session: Session, *, silent: timedelta) -> list[str]:
    """Rows of workers that went without a word. One that still holds a job stays until its rescue."""
    holds = exists().where(jobs.c.worker == workers.c.name, jobs.c.finished_at.is_(None))
    statement = delete(workers).where(workers.c.seen_at < _now() - silent, ~holds)
    return list((await session.execute(statement.returning(workers.c.name))).scalars())


async def standings(session: Session, ids: Collection[UUID]) -> dict[UUID, tuple[JobState, int]]:
    """State and attempt of those of these jobs that there are."""
    query = select(jobs.c.id, jobs.c.state, jobs.c.attempt).where(jobs.c.id.in_(ids))
    rows = await session.execute(query)
    return {id: (JobState(state), attempt) for id, state, attempt in rows}


async def waiting_kinds(session: Session) -> dict[Kind, Job]:
    """The checkpoints that waiting jobs need, each with one of its jobs. Who draws nothing needs none."""
    query = select(*ROW).where(_waiting(), jobs.c.spec["steps"].astext != "0")
    query = query.ext(distinct_on(*_KIND)).order_by(*_KIND)
    found = [job_from(row) for row in await session.execute(query)]
    return {_kind(job): job for job in found}


async def expire(
    session: Session, *, waited: timedelta, code: str, sentence: str, kind: Kind | None = None
) -> list[Job]:
    """waiting -> failed, for those submitted so long ago, of this kind if one is named. The caller
    releases their credit in the same transaction."""
    wanted = and_(_waiting(), jobs.c.submitted_at < _now() - waited)
    if kind is not None:
        drawn = jobs.c.spec["steps"].astext != "0"
        same = and_(*(one.is_not_distinct_from(of) for one, of in zip(_KIND, kind, strict=True)))
        wanted = and_(wanted, drawn, same)
    late = select(jobs.c.id).where(wanted).order_by(jobs.c.submitted_at).limit(AT_ONCE)
    statement = (
        update(jobs)
        .where(jobs.c.id.in_(late.with_for_update(skip_locked=True)), _waiting())
        .values(
            state=JobState.FAILED,
            charged_ms=0,
            error_code=code,
            error_sentence=sentence,
            finished_at=_now(),
        )
    )
    return [job_from(row) for row in await session.execute(statement.returning(*ROW))]


def _waiting() -> ColumnElement[bool]:
    """`finished_at` lets the partial index of open jobs serve."""
    return and_(jobs.c.state == JobState.WAITING, jobs.c.finished_at.is_(None))


def _kind(job: Job) -> Kind:
    refiner = job.spec.refiner
    return job.spec.checkpoint, refiner.checkpoint if refiner else None
