"""How much there is of everything: for graphs and alarms. Kinds and categories, never a person or a word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from shared.connections import Session
from shared.moderation.bans import in_force
from shared.moderation.cases import OPEN
from shared.peopletables import bans, cases, pauses, strikes


@dataclass(frozen=True, slots=True)
class Tally:
    """`cases` by kind, category and state; `appeals` that wait; `strikes` that count now by category;
    `bans` in force by kind; `paused` scopes (a server's without its number)."""

    cases: Mapping[tuple[str, str, str], int]
    appeals: int
    strikes: Mapping[str, int]
    bans: Mapping[str, int]
    paused: Mapping[str, int]


async def tally(session: Session) -> Tally:
    now = func.clock_timestamp()
    counting = and_(
        strikes.c.lifted_at.is_(None),
        or_(strikes.c.expires_at.is_(None), strikes.c.expires_at > now),
    )
    appealed = and_(cases.c.state == OPEN, cases.c.kind.in_(("prompt", "picture")), ~cases.c.hard)
    waiting = select(func.count()).select_from(cases).where(appealed)
    scope = func.split_part(pauses.c.scope, ":", 1)
    return Tally(
        {(row[0], row[1], row[2]): row[3] for row in await _counts(session, *_CASES)},
        int((await session.execute(waiting)).scalar_one()),
        dict(await _counts(session, strikes.c.category, where=counting)),
        dict(await _counts(session, bans.c.kind, where=in_force())),
        dict(await _counts(session, scope)),
    )


async def _counts(
    session: Session, *keys: ColumnElement[Any], where: ColumnElement[bool] | None = None
) -> list[Any]:
    query = select(*keys, func.count()).group_by(*keys)
    if where is not None:
        query = query.where(where)
    return [tuple(row) for row in await session.execute(query)]


_CASES = (cases.c.kind, cases.c.category, cases.c.state)
