"""Pauses: what stops the desk from accepting. One row for each scope, and whoever resumes takes it away."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.moderation.audit import audit
from shared.moderation.scopes import EVERYWHERE as EVERYWHERE
from shared.moderation.scopes import SAFETY as SAFETY
from shared.moderation.scopes import of_guild as of_guild
from shared.peopletables import pauses


@dataclass(frozen=True, slots=True)
class Pause:
    """`scope` is everywhere, safety (a filter that cannot answer) or guild:<id>."""

    scope: str
    reason: str
    actor: str
    at: datetime


async def pause(session: Session, scope: str, reason: str, actor: str) -> bool:
    """False when this scope was paused before: the first reason stands."""
    row = {"scope": scope, "reason": reason, "actor": actor}
    statement = insert(pauses).values(row).on_conflict_do_nothing().returning(pauses.c.scope)
    if (await session.execute(statement)).one_or_none() is None:
        return False
    await audit(session, actor, "pause", scope, {"reason": reason})
    return True


async def resume(session: Session, scope: str, actor: str) -> bool:
    """False when nothing was paused."""
    statement = delete(pauses).where(pauses.c.scope == scope).returning(pauses.c.scope)
    if (await session.execute(statement)).one_or_none() is None:
        return False
    await audit(session, actor, "resume", scope)
    return True


async def halted(session: Session) -> bool:
    """Whether a filter cannot answer, so that nothing may be drawn."""
    query = select(pauses.c.scope).where(pauses.c.scope == SAFETY)
    return (await session.execute(query)).one_or_none() is not None


async def current(session: Session, guild_id: str | None = None) -> list[Pause]:
    """What stops this server's submissions now, the oldest first."""
    scopes = [EVERYWHERE, SAFETY, *([of_guild(guild_id)] if guild_id else [])]
    wanted = or_(*(pauses.c.scope == scope for scope in scopes))
    rows = await session.execute(select(pauses).where(wanted).order_by(pauses.c.at))
    return [Pause(row.scope, row.reason, row.actor, row.at) for row in rows]
