"""What an admin wants workers to have at hand, in Postgres: a row for each worker, carried out once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from shared.connections import Session
from shared.doortables import wishes

LIFE = timedelta(minutes=10)  # a worker that took it up by then has had every chance
KEPT = timedelta(days=7)
CHECKPOINT, LORA = "checkpoint", "lora"
LOAD, UNLOAD = "load", "unload"
OPEN, DONE, REFUSED = "open", "done", "refused"
MOST = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """`detail` is the reason of a refusal."""

    id: UUID
    worker: str
    kind: str
    name: str
    action: str
    state: str
    detail: str
    at: datetime
    ended_at: datetime | None


async def add(
    session: Session, workers: Sequence[str], *, kind: str, name: str, action: str
) -> list[Wish]:
    """Takes the place of what was wanted of the same before, and not carried out yet."""
    same = (wishes.c.kind == kind) & (wishes.c.name == name) & wishes.c.worker.in_(workers)
    await _end(session, (wishes.c.state == OPEN) & same, REFUSED, "Something newer was asked for.")
    await session.execute(delete(wishes).where(wishes.c.at < func.clock_timestamp() - KEPT))
    told = {"kind": kind, "name": name, "action": action}
    statement = insert(wishes).values([{"worker": one} | told for one in workers])
    return [_wish(row) for row in await session.execute(statement.returning(*_COLUMNS))]


async def told(session: Session, kind: str, name: str) -> list[Wish]:
    """Of this one, the newest first."""
    query = select(*_COLUMNS).where(wishes.c.kind == kind, wishes.c.name == name)
    rows = await session.execute(query.order_by(wishes.c.at.desc(), wishes.c.worker).limit(MOST))
    return [_wish(row) for row in rows]


async def of_worker(session: Session, worker: str) -> list[Wish]:
    """What it has still to carry out, the oldest first. What nobody took up for too long is over."""
    mine = (wishes.c.worker == worker) & (wishes.c.state == OPEN)
    query = select(*_COLUMNS).where(mine, wishes.c.at > func.clock_timestamp() - LIFE)
    return [_wish(row) for row in await session.execute(query.order_by(wishes.c.at))]


async def ended(session: Session, wish_id: UUID, *, done: bool, detail: str = "") -> None:
    """Once: the first answer counts."""
    open_one = (wishes.c.id == wish_id) & (wishes.c.state == OPEN)
    await _end(session, open_one, DONE if done else REFUSED, detail)


async def expire(session: Session) -> int:
    """Of workers that never came."""
    late = (wishes.c.state == OPEN) & (wishes.c.at < func.clock_timestamp() - LIFE)
    return await _end(session, late, REFUSED, "No such worker took it up in time.")


async def _end(session: Session, wanted: Any, state: str, detail: str) -> int:
    statement = update(wishes).where(wanted).returning(wishes.c.id)
    values = {"state": state, "detail": detail, "ended_at": func.clock_timestamp()}
    return len((await session.execute(statement.values(values))).all())


def _wish(row: Any) -> Wish:
    return Wish(**{name: getattr(row, name) for name in Wish.__slots__})


_COLUMNS: Sequence[Any] = [wishes.c[name] for name in Wish.__slots__]
