"""Bans and suspensions. One without a server is in force everywhere, and is what an account's standing says."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func, insert, or_, select, update

from shared.connections import Session
from shared.moderation.audit import audit
from shared.peopletables import bans
from shared.tables import accounts
from shared.telemetry import BANS

BAN, SUSPENSION = "ban", "suspension"
TIME = "time"  # who lifts what was for a while


@dataclass(frozen=True, slots=True)
class Ban:
    id: int
    account_id: UUID
    guild_id: str | None
    kind: str
    reason: str
    actor: str
    at: datetime
    until: datetime | None


async def lock(session: Session, account_id: UUID) -> None:
    """Until the transaction ends, nobody else punishes this account, and nothing of it is accepted.

    Always before its jobs and its balance: that order is what keeps two transactions from waiting for
    each other.
    """
    query = select(accounts.c.id).where(accounts.c.id == account_id)
    await session.execute(query.with_for_update(key_share=True))


async def ban(
    session: Session,
    account_id: UUID,
    *,
    guild_id: str | None,
    reason: str,
    actor: str,
    lasts: timedelta | None = None,
) -> int:
    return await _add(
        session, BAN, account_id, guild_id=guild_id, reason=reason, actor=actor, lasts=lasts
    )


async def suspend(
    session: Session,
    account_id: UUID,
    *,
    guild_id: str | None,
    lasts: timedelta,
    reason: str,
    actor: str,
) -> int:
    return await _add(
        session, SUSPENSION, account_id, guild_id=guild_id, reason=reason, actor=actor, lasts=lasts
    )


async def lift(session: Session, account_id: UUID, *, guild_id: str | None, actor: str) -> int:
    """Every ban and suspension of exactly this scope; how many that was."""
    await lock(session, account_id)
    scope = bans.c.guild_id.is_not_distinct_from(guild_id)
    wanted = and_(bans.c.account_id == account_id, bans.c.lifted_at.is_(None), scope)
    values = {"lifted_at": func.clock_timestamp(), "lifted_by": actor}
    statement = update(bans).where(wanted).values(values).returning(bans.c.id)
    lifted = len((await session.execute(statement)).all())
    await settle_standing(session, [account_id])
    return lifted


async def lift_suspensions(session: Session, account_id: UUID, *, set_by: str, actor: str) -> int:
    """Those of everywhere that this actor has set; how many that was."""
    await lock(session, account_id)
    wanted = and_(
        bans.c.account_id == account_id,
        bans.c.lifted_at.is_(None),
        bans.c.guild_id.is_(None),
        bans.c.kind == SUSPENSION,
        bans.c.actor == set_by,
    )
    values = {"lifted_at": func.clock_timestamp(), "lifted_by": actor}
    statement = update(bans).where(wanted).values(values).returning(bans.c.id)
    lifted = len((await session.execute(statement)).all())
    if lifted:
        await settle_standing(session, [account_id])
    return lifted


async def current(session: Session, account_id: UUID, guild_id: str | None) -> list[Ban]:
    """In force on this server now, those of everywhere among them; None: those of everywhere."""
    scope: ColumnElement[bool] = bans.c.guild_id.is_(None)
    if guild_id is not None:
        scope = or_(scope, bans.c.guild_id == guild_id)
    wanted = and_(bans.c.account_id == account_id, scope, in_force())
    rows = await session.execute(select(*_ROW).where(wanted).order_by(bans.c.id))
    return [Ban(*row) for row in rows]


async def end_past(session: Session) -> int:
    """Those whose time is over are lifted, and their accounts stand as what is left says."""
    past = and_(bans.c.lifted_at.is_(None), bans.c.until <= func.clock_timestamp())
    values = {"lifted_at": func.clock_timestamp(), "lifted_by": TIME, "mark": None}
    statement = update(bans).where(past).values(values).returning(bans.c.account_id)
    ended = list((await session.execute(statement)).scalars())
    if ended:
        await settle_standing(session, ended)
    for account_id in ended:
        await audit(session, TIME, "ban_ended", f"account:{account_id}")
    return len(ended)


async def any_in_force(session: Session, account_id: UUID) -> bool:
    """On whatever server. A suspension counts: nobody deletes themselves out of it."""
    query = select(exists().where(bans.c.account_id == account_id, in_force()))
    return bool((await session.execute(query)).scalar_one())


async def keep_for(session: Session, account_id: UUID, mark: str) -> None:
    """The account is erased; what is in force against it waits under this mark for who it was."""
    mine = and_(bans.c.account_id == account_id, in_force())
    await session.execute(update(bans).where(mine).values(mark=mark))


async def follow(session: Session, mark: str, account_id: UUID) -> None:
    """Somebody who had themselves deleted is back with a new account: what is in force comes along."""
    waiting = and_(bans.c.mark == mark, in_force())
    values = {"account_id": account_id, "mark": None}
    moved = await session.execute(update(bans).where(waiting).values(values).returning(bans.c.id))
    if moved.all():
        await settle_standing(session, [account_id])


def in_force() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    return and_(bans.c.lifted_at.is_(None), or_(bans.c.until.is_(None), bans.c.until > now))


async def settle_standing(session: Session, account_ids: list[UUID]) -> None:
    """An account stands as the gravest of what is in force against it everywhere."""

    def holds(kind: str) -> ColumnElement[bool]:
        mine = bans.c.account_id == accounts.c.id
        return exists().where(mine, bans.c.guild_id.is_(None), bans.c.kind == kind, in_force())

    standing = case((holds(BAN), "banned"), (holds(SUSPENSION), "suspended"), else_="good")
    statement = update(accounts).where(accounts.c.id.in_(account_ids))
    await session.execute(statement.values(standing=standing))


async def _add(
    session: Session,
    kind: str,
    account_id: UUID,
    *,
    guild_id: str | None,
    reason: str,
    actor: str,
    lasts: timedelta | None,
) -> int:
    await lock(session, account_id)
    until = None if lasts is None else func.clock_timestamp() + lasts
    row = {
        "account_id": account_id,
        "guild_id": guild_id,
        "kind": kind,
        "reason": reason,
        "actor": actor,
        "until": until,
    }
    number: int = (
        await session.execute(insert(bans).values(row).returning(bans.c.id))
    ).scalar_one()
    if guild_id is None:
        await settle_standing(session, [account_id])
    BANS.labels(kind).inc()
    detail = {
        "reason": reason,
        "guild": guild_id,
        "days": None if lasts is None else lasts / timedelta(days=1),
    }
    await audit(session, actor, kind, f"account:{account_id}", detail)
    return number


_ROW: Any = [bans.c[name] for name in Ban.__slots__]
