"""Single pictures as galleries show them: what was delivered and not taken back, the newest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, exists, select
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobState, Visibility
from shared.safety.policy import AGE
from shared.tables import assets, jobs, verdicts
from shared.tradetables import favourites


@dataclass(frozen=True, slots=True)
class Shot:
    """Picture `index` (from 0) of a job; `at` is what a page goes on from. `width` and `height` are the file's,
    in pixels."""

    job: Job
    index: int
    key: str
    at: datetime
    favourite: bool
    width: int = 0
    height: int = 0
    mime: str = ""


async def of_account(
    session: Session, account_id: UUID, *, before: datetime | None, limit: int
) -> tuple[Shot, ...]:
    """All of them, also those that nobody else may see."""
    mine = jobs.c.account_id == account_id
    return await _page(session, account_id, mine, before=before, limit=limit)


async def of_guild(
    session: Session,
    guild_id: str,
    account_id: UUID,
    *,
    before: datetime | None,
    limit: int,
    tame: bool = False,
) -> tuple[Shot, ...]:
    """What everybody on this server may see; `account_id` is whose favourites are marked. `tame`: where no
    channel's mark of age stands over it, so without what only such a mark lets through."""
    public = and_(jobs.c.guild_id == guild_id, jobs.c.visibility == Visibility.PUBLIC)
    if tame:
        public = and_(public, ~jobs.c.strict, ~_wider())
    return await _page(session, account_id, public, before=before, limit=limit)


async def liked(
    session: Session, account_id: UUID, *, before: datetime | None, limit: int
) -> tuple[Shot, ...]:
    """This account's favourites, the last liked first."""
    query = _shots(account_id, favourites.c.at).where(
        favourites.c.at.is_not(None), _visible_to(account_id)
    )
    if before is not None:
        query = query.where(favourites.c.at < before)
    rows = await session.execute(query.order_by(favourites.c.at.desc()).limit(limit))
    return tuple(map(_shot, rows))


async def toggle(session: Session, account_id: UUID, job_id: UUID, index: int) -> bool:
    """Whether it is a favourite now."""
    if await like(session, account_id, job_id, index):
        return True
    await unlike(session, account_id, job_id, index)
    return False


async def like(session: Session, account_id: UUID, job_id: UUID, index: int) -> bool:
    """False where it was one before."""
    told = {"account_id": account_id, "job_id": job_id, "index": index}
    added = insert_row(favourites).values(told).on_conflict_do_nothing()
    return (await session.execute(added.returning(favourites.c.index))).one_or_none() is not None


async def unlike(session: Session, account_id: UUID, job_id: UUID, index: int) -> None:
    told = {"account_id": account_id, "job_id": job_id, "index": index}
    same = and_(*(favourites.c[name] == value for name, value in told.items()))
    await session.execute(delete(favourites).where(same))


async def is_there(session: Session, job_id: UUID, index: int) -> bool:
    """Whether this picture was delivered and not taken back."""
    this = and_(assets.c.job_id == job_id, assets.c.kind == "image", assets.c.index == index)
    found = exists().where(this, assets.c.withdrawn_at.is_(None))
    return bool((await session.execute(select(found))).scalar_one())


async def _page(
    session: Session,
    account_id: UUID,
    wanted: ColumnElement[bool],
    *,
    before: datetime | None,
    limit: int,
) -> tuple[Shot, ...]:
    """By jobs, so that a page ends with a whole grid; `limit` counts jobs."""
    page = select(jobs.c.id).where(wanted, jobs.c.state == JobState.SUCCEEDED)
    if before is not None:
        page = page.where(jobs.c.submitted_at < before)
    page = page.order_by(jobs.c.submitted_at.desc()).limit(limit)
    query = _shots(account_id, jobs.c.submitted_at).where(jobs.c.id.in_(page))
    query = query.order_by(jobs.c.submitted_at.desc(), jobs.c.id, assets.c.index)
    return tuple(map(_shot, await session.execute(query)))


def _shots(account_id: UUID, at: Any) -> Select[Any]:
    mine = and_(
        favourites.c.account_id == account_id,
        favourites.c.job_id == assets.c.job_id,
        favourites.c.index == assets.c.index,
    )
    columns = (
        assets.c.index.label("number"),
        assets.c.key.label("file"),
        at.label("moment"),
        favourites.c.at.is_not(None).label("liked"),
        *(assets.c[name].label(f"file_{name}") for name in ("width", "height", "mime")),
    )
    return (
        select(*ROW, *columns)
        .join_from(jobs, assets, assets.c.job_id == jobs.c.id)
        .outerjoin(favourites, mine)
        .where(assets.c.kind == "image", assets.c.withdrawn_at.is_(None))
    )


def _wider() -> ColumnElement[bool]:
    """Jobs whose words were judged by the wider thresholds of a channel that is marked for adults."""
    aged = and_(verdicts.c.subject == "prompt", verdicts.c.policy.contains(f"{AGE}|"))
    return exists().where(verdicts.c.job_id == jobs.c.id, aged)


def _visible_to(account_id: UUID) -> ColumnElement[bool]:
    return (jobs.c.account_id == account_id) | (jobs.c.visibility == Visibility.PUBLIC)


def _shot(row: Any) -> Shot:
    size = row.file_width, row.file_height, row.file_mime
    return Shot(job_from(row), row.number, row.file, row.moment, row.liked, *size)
