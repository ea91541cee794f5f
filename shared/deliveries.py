"""Where each job's answer goes, until it has arrived."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, Route
from shared.tables import assets, deliveries, jobs

_WITHOUT_TOKEN = deliveries.c.route.op("-", return_type=JSONB())(literal("token", Text()))
_SET_ROUTE = insert_row(deliveries)
_SET_ROUTE = _SET_ROUTE.on_conflict_do_update(
    index_elements=["job_id"],
    set_={"route": _SET_ROUTE.excluded.route},
    where=deliveries.c.state == "open",  # whoever was erased must not be written down again
)


async def set_route(session: Session, job_id: UUID, route: Route) -> None:
    """Where to answer from now on. A delivery that is closed stays closed."""
    told = msgspec.to_builtins(route)
    await session.execute(_SET_ROUTE, {"job_id": job_id, "route": told})


async def route(session: Session, job_id: UUID) -> Route | None:
    query = select(deliveries.c.route).where(deliveries.c.job_id == job_id)
    found = (await session.execute(query)).scalar_one_or_none()
    return None if found is None else msgspec.convert(found, Route)


async def open_deliveries(session: Session) -> list[tuple[Job, Route]]:
    """Every job whose answer has not arrived, finished or not, the oldest first."""
    query = (
        select(*ROW, deliveries.c.route)
        .join_from(deliveries, jobs)
        .where(deliveries.c.state == "open")
        .order_by(jobs.c.submitted_at, jobs.c.id)
    )
    rows = await session.execute(query)
    return [(job_from(row), msgspec.convert(row.route, Route)) for row in rows]


async def of_message(session: Session, message_id: str) -> UUID | None:
    """The job that this message tells of."""
    where = deliveries.c.route["message_id"].astext == message_id
    query = select(deliveries.c.job_id).where(where).order_by(deliveries.c.at).limit(1)
    return (await session.execute(query)).scalar_one_or_none()


async def of_account(session: Session, account_id: UUID) -> list[Route]:
    """The messages that tell of this account's jobs, the oldest first."""
    query = select(deliveries.c.route).join_from(deliveries, jobs)
    query = query.where(jobs.c.account_id == account_id).order_by(deliveries.c.at)
    routes = [msgspec.convert(found, Route) for found in (await session.execute(query)).scalars()]
    return [route for route in routes if route.message_id]


async def reopen(session: Session, keys: Collection[str]) -> None:
    """Messages that show any of these files have something new to tell: that it was withdrawn."""
    shown = select(assets.c.job_id).where(assets.c.key.in_(keys))
    statement = update(deliveries).where(deliveries.c.job_id.in_(shown))
    await session.execute(statement.values(state="open", delivered_at=None))


async def delivered(session: Session, job_id: UUID) -> bool:
    return await _close(session, job_id, state="delivered", delivered_at=func.clock_timestamp())


async def undeliverable(session: Session, job_id: UUID, error: str) -> bool:
    return await _close(session, job_id, state="undeliverable", last_error=error)


async def _close(session: Session, job_id: UUID, **values: Any) -> bool:
    """False when it was closed before. The token is of no more use, so it is not kept."""
    statement = (
        update(deliveries)
        .where(deliveries.c.job_id == job_id, deliveries.c.state == "open")
        .values(route=_WITHOUT_TOKEN, **values)
        .returning(deliveries.c.job_id)
    )
    return (await session.execute(statement)).one_or_none() is not None
