"""Webhooks in Postgres: which addresses are told, and which generation of a secret signs for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.doortables import hook_secrets, webhooks
from shared.hooks import Signer
from shared.tables import accounts

MOST = 20  # of one account, beside those of single jobs


@dataclass(frozen=True, slots=True)
class Webhook:
    """`job_id`: told of that job alone. `failing_since`: nothing was taken since. `off_at`: switched off, by
    its owner or because it failed for too long."""

    id: UUID
    account_id: UUID
    job_id: UUID | None
    url: str
    events: tuple[str, ...]
    dialect: str
    generation: int
    created_at: datetime
    rotated_at: datetime | None
    failing_since: datetime | None
    off_at: datetime | None
    off_because: str | None

    @property
    def signer(self) -> Signer:
        return Signer(self.id, self.generation, self.rotated_at)


async def add(
    session: Session, account_id: UUID, url: str, events: Sequence[str]
) -> Webhook | None:
    """None when the account has as many as it may. The lock on its row makes the count exact."""
    await session.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()
    )
    count = select(func.count()).where(_of(account_id)).select_from(webhooks)
    if (await session.scalar(count) or 0) >= MOST:
        return None
    values = {"account_id": account_id, "url": url, "events": list(events)}
    row = await session.execute(insert(webhooks).values(values).returning(*_COLUMNS))
    return webhook_from(row.one())


async def attach(
    session: Session,
    account_id: UUID,
    job_id: UUID,
    *,
    url: str,
    events: Sequence[str],
    dialect: str,
) -> None:
    """Tells this address of one job from here on, and of what has become of it until now."""
    values = {
        "account_id": account_id,
        "job_id": job_id,
        "url": url,
        "events": list(events),
        "dialect": dialect,
    }
    hook_id = await session.scalar(insert(webhooks).values(values).returning(webhooks.c.id))
    await session.execute(_CATCH_UP, {"hook": hook_id, "job": job_id})


async def of_account(session: Session, account_id: UUID) -> list[Webhook]:
    """Those of all its jobs, the oldest first."""
    query = select(*_COLUMNS).where(_of(account_id)).order_by(webhooks.c.created_at, webhooks.c.id)
    return [webhook_from(row) for row in await session.execute(query)]


async def of_job(session: Session, account_id: UUID, job_id: UUID) -> list[Webhook]:
    """Those that this job alone was given."""
    mine = and_(webhooks.c.account_id == account_id, webhooks.c.job_id == job_id, _THERE)
    rows = await session.execute(select(*_COLUMNS).where(mine).order_by(webhooks.c.created_at))
    return [webhook_from(row) for row in rows]


async def one(session: Session, account_id: UUID, hook_id: UUID) -> Webhook | None:
    return await _found(session, select(*_COLUMNS).where(_mine(account_id, hook_id)))


async def change(
    session: Session, account_id: UUID, hook_id: UUID, values: dict[str, Any]
) -> Webhook | None:
    """None where there is none of this account's."""
    statement = update(webhooks).where(_mine(account_id, hook_id)).values(values)
    return await _found(session, statement.returning(*_COLUMNS))


async def rotate(session: Session, account_id: UUID, hook_id: UUID) -> Webhook | None:
    values = {"generation": webhooks.c.generation + 1, "rotated_at": func.clock_timestamp()}
    return await change(session, account_id, hook_id, values)


async def end(session: Session, account_id: UUID, hook_id: UUID) -> bool:
    statement = (
        update(webhooks).where(_mine(account_id, hook_id)).values(ended_at=func.clock_timestamp())
    )
    return await session.scalar(statement.returning(webhooks.c.id)) is not None


async def switch_on(session: Session, account_id: UUID, hook_id: UUID) -> Webhook | None:
    values = {"off_at": None, "off_because": None, "failing_since": None}
    return await change(session, account_id, hook_id, values)


async def switch_off(session: Session, hook_id: UUID, because: str) -> bool:
    """False when it was off before."""
    wanted = and_(webhooks.c.id == hook_id, webhooks.c.off_at.is_(None))
    statement = (
        update(webhooks).where(wanted).values(off_at=func.clock_timestamp(), off_because=because)
    )
    return await session.scalar(statement.returning(webhooks.c.id)) is not None


async def failing(session: Session, hook_id: UUID, yes: bool) -> None:
    """Since when, is noted once."""
    was = webhooks.c.failing_since
    statement = update(webhooks).where(webhooks.c.id == hook_id, was.is_(None) == yes)
    since = func.clock_timestamp() if yes else None
    await session.execute(statement.values(failing_since=since))


async def job_signer(session: Session, account_id: UUID) -> Signer:
    """What signs for the webhooks of this account's single jobs."""
    query = select(hook_secrets.c.generation, hook_secrets.c.rotated_at)
    row = (await session.execute(query.where(hook_secrets.c.account_id == account_id))).first()
    return Signer(account_id, *(row or (0, None)))


async def rotate_job_signer(session: Session, account_id: UUID) -> Signer:
    made = insert_row(hook_secrets).values(
        account_id=account_id, generation=1, rotated_at=func.clock_timestamp()
    )
    turned = {"generation": hook_secrets.c.generation + 1, "rotated_at": func.clock_timestamp()}
    made = made.on_conflict_do_update(index_elements=["account_id"], set_=turned)
    row = await session.execute(
        made.returning(hook_secrets.c.generation, hook_secrets.c.rotated_at)
    )
    return Signer(account_id, *row.one())


def webhook_from(row: Any) -> Webhook:
    told = {name: getattr(row, name) for name in Webhook.__slots__}
    return Webhook(**told | {"events": tuple(row.events)})


async def _found(session: Session, statement: Any) -> Webhook | None:
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else webhook_from(row)


def _of(account_id: UUID) -> ColumnElement[bool]:
    return and_(webhooks.c.account_id == account_id, webhooks.c.job_id.is_(None), _THERE)


def _mine(account_id: UUID, hook_id: UUID) -> ColumnElement[bool]:
    return and_(webhooks.c.id == hook_id, webhooks.c.account_id == account_id, _THERE)


_THERE = webhooks.c.ended_at.is_(None)
_COLUMNS = [webhooks.c[name] for name in Webhook.__slots__]
_CATCH_UP = text("""
insert into webhook_deliveries (webhook_id, job_id, transition_id, event)
select webhooks.id, moves.job_id, moves.id, hook_event(moves.source, moves.target)
from transitions moves join webhooks on webhooks.id = :hook
where moves.job_id = :job and hook_event(moves.source, moves.target) = any(webhooks.events)
order by moves.id
""")
