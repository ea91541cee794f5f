"""Looks at the cases; nothing here changes a row."""

from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, func, or_, select, true

from shared.connections import Session
from shared.moderation.cases import (
    HARD_CATEGORIES,
    OPEN,
    PICTURE,
    PROMPT,
    REPORT,
    ROW,
    SAMPLE,
    Case,
)
from shared.peopletables import cases


async def queue(
    session: Session, guild_id: str | None, *, limit: int, homeless: bool = False
) -> list[Case]:
    """What waits for a moderator of this server (None: of any): hard, reports, appeals, samples.
    `homeless` ones, of no server, too."""
    wanted = and_(cases.c.state == OPEN, _of(guild_id, homeless))
    query = select(*ROW).where(wanted).order_by(_URGENCY, cases.c.opened_at, cases.c.id)
    return [Case(*row) for row in await session.execute(query.limit(limit))]


async def waiting(
    session: Session, guild_id: str | None, *, homeless: bool = False
) -> dict[str, int]:
    """How many wait, by kind."""
    wanted = and_(cases.c.state == OPEN, _of(guild_id, homeless))
    query = select(cases.c.kind, func.count()).where(wanted).group_by(cases.c.kind)
    return {row[0]: row[1] for row in await session.execute(query)}


async def appeals_waiting(session: Session, guild_id: str) -> int:
    wanted = and_(
        cases.c.state == OPEN,
        cases.c.guild_id == guild_id,
        cases.c.kind.in_((PROMPT, PICTURE)),
        cases.c.appeal.is_not(None),
    )
    query = select(func.count()).select_from(cases).where(wanted)
    return int((await session.execute(query)).scalar_one())


async def of_job(session: Session, account_id: UUID, job_id: UUID) -> Case | None:
    """The one that a withheld picture of this job led to."""
    wanted = and_(
        cases.c.account_id == account_id, cases.c.job_id == job_id, cases.c.kind == PICTURE
    )
    query = select(*ROW).where(wanted).order_by(cases.c.at).limit(1)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Case(*row)


async def of_account(
    session: Session, account_id: UUID, guild_id: str | None, *, limit: int
) -> list[Case]:
    """About this person, the newest first; None: on any server."""
    wanted = cases.c.account_id == account_id
    if guild_id is not None:
        wanted = and_(wanted, cases.c.guild_id == guild_id)
    query = select(*ROW).where(wanted).order_by(cases.c.at.desc()).limit(limit)
    return [Case(*row) for row in await session.execute(query)]


def _of(guild_id: str | None, homeless: bool) -> ColumnElement[bool]:
    if guild_id is None:
        return true()
    none = cases.c.guild_id.is_(None) if homeless else false()
    return or_(cases.c.guild_id == guild_id, none)


_URGENCY = case(
    (cases.c.hard | cases.c.category.in_(sorted(HARD_CATEGORIES)), 0),
    (cases.c.kind == REPORT, 1),
    (cases.c.kind == SAMPLE, 3),
    else_=2,
)
