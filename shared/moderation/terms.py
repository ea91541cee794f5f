"""Words that moderators block while Pictor runs. Without a server: everywhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.moderation.audit import audit
from shared.peopletables import blocked_terms

STRENGTHS = ("explicit", "strong", "weak")


@dataclass(frozen=True, slots=True)
class BlockedTerm:
    id: int
    guild_id: str | None
    term: str
    category: str
    strength: str
    actor: str
    at: datetime


async def add(
    session: Session, term: str, *, guild_id: str | None, category: str, strength: str, actor: str
) -> bool:
    """`term` as the screen spells it. False when it is on this list already."""
    row = {
        "guild_id": guild_id,
        "term": term,
        "category": category,
        "strength": strength,
        "actor": actor,
    }
    statement = insert(blocked_terms).values(row).on_conflict_do_nothing()
    if (await session.execute(statement.returning(blocked_terms.c.id))).one_or_none() is None:
        return False
    told = {"guild": guild_id, "term": term, "category": category, "strength": strength}
    await audit(session, actor, "term_added", "blocklist", told)
    return True


async def remove(session: Session, term: str, *, guild_id: str | None, actor: str) -> bool:
    """False when this list does not have it."""
    wanted = and_(
        blocked_terms.c.term == term,
        blocked_terms.c.guild_id.is_not_distinct_from(guild_id),
        blocked_terms.c.removed_at.is_(None),
    )
    values = {"removed_at": func.clock_timestamp(), "removed_by": actor}
    statement = update(blocked_terms).where(wanted).values(values).returning(blocked_terms.c.id)
    if (await session.execute(statement)).one_or_none() is None:
        return False
    await audit(session, actor, "term_removed", "blocklist", {"guild": guild_id, "term": term})
    return True


async def current(session: Session, guild_id: str | None) -> list[BlockedTerm]:
    """What holds on this server, in order of the alphabet: its own and those of everywhere."""
    wanted = or_(blocked_terms.c.guild_id.is_(None), blocked_terms.c.guild_id == guild_id)
    query = select(*_ROW).where(wanted, blocked_terms.c.removed_at.is_(None))
    return [BlockedTerm(*row) for row in await session.execute(query.order_by("term"))]


_ROW: Any = [blocked_terms.c[name] for name in BlockedTerm.__slots__]
