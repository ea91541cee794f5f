"""What the maintenance jobs ask of Postgres. Each statement may be repeated without harm."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import DateTime, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import array

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobState
from shared.tables import balances, deliveries, jobs, ledger, workers

TOKEN_LIFE = timedelta(minutes=15)  # Discord's own limit for an interaction token
_REFUNDED = (JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED)
_now = func.clock_timestamp


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
