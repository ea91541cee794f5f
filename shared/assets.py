"""What a job delivered, and the verdicts that allowed it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update

from shared import tables
from shared.connections import Session
from shared.ruling import Ruling


@dataclass(frozen=True, slots=True)
class Asset:
    """A delivered file: `kind` grid, image or recipe, `index` of the image in its job, `key` in the store."""

    job_id: UUID
    kind: str
    index: int
    key: str
    sha256: str
    size: int
    width: int
    height: int
    mime: str


async def add_verdict(
    session: Session,
    job_id: UUID | None,
    subject: str,
    verdict: Ruling,
    *,
    attempt: int | None = None,
    account_id: UUID | None = None,
) -> int:
    """`subject` is prompt, image or job. A refused prompt has no job: it names its account."""
    row = _verdict(job_id, subject, verdict, attempt=attempt) | {"account_id": account_id}
    number: int = (await session.execute(_ADD_VERDICT, row)).scalar_one()
    return number


async def add_verdicts(
    session: Session, job_id: UUID, verdicts: Sequence[tuple[str, Ruling]], *, attempt: int
) -> list[int]:
    """Each with its subject; their numbers in the same order."""
    rows = [_verdict(job_id, subject, verdict, attempt=attempt) for subject, verdict in verdicts]
    return list((await session.execute(_ADD_VERDICTS, rows)).scalars())


async def add_asset(
    session: Session,
    job_id: UUID,
    *,
    kind: str,
    index: int,
    key: str,
    sha256: str,
    size: int,
    width: int,
    height: int,
    mime: str,
    verdict_id: int,
) -> None:
    """`verdict_id` is an allow verdict on this job's pixels, or Postgres refuses."""
    asset = Asset(job_id, kind, index, key, sha256, size, width, height, mime)
    await add_assets(session, [(asset, verdict_id)])


async def add_assets(session: Session, assets: Sequence[tuple[Asset, int]]) -> None:
    """Each with its verdict, as in `add_asset`."""
    rows = [_asset(asset, verdict_id) for asset, verdict_id in assets]
    await session.execute(_ADD_ASSETS, rows)


async def assets(session: Session, job_id: UUID) -> list[Asset]:
    """The grid first, then the images in order. What was withdrawn is not shown."""
    table = tables.assets
    columns = [table.c[name] for name in Asset.__slots__]
    query = select(*columns).where(table.c.job_id == job_id, table.c.withdrawn_at.is_(None))
    query = query.order_by(table.c.kind, table.c.index)
    return [Asset(**row._mapping) for row in await session.execute(query)]


async def of_jobs(session: Session, job_ids: Collection[UUID]) -> list[Asset]:
    """Of all of them, the newest first. What was withdrawn is not shown."""
    table = tables.assets
    columns = [table.c[name] for name in Asset.__slots__]
    query = select(*columns).where(table.c.job_id.in_(job_ids), table.c.withdrawn_at.is_(None))
    return [
        Asset(**row._mapping) for row in await session.execute(query.order_by(table.c.id.desc()))
    ]


async def named(session: Session, keys: Collection[str]) -> set[str]:
    """Those of them that are delivered files. A withdrawn one is litter."""
    table = tables.assets
    query = select(table.c.key).where(table.c.key.in_(keys), table.c.withdrawn_at.is_(None))
    return set((await session.execute(query)).scalars())


async def withdraw_all(session: Session, account_id: UUID, guild_id: str | None) -> list[str]:
    """Everything that this account was delivered (on this server); the keys to delete after the commit."""
    jobs = tables.jobs
    wanted = jobs.c.account_id == account_id
    if guild_id is not None:
        wanted = and_(wanted, jobs.c.guild_id == guild_id)
    return await _withdraw(session, select(jobs.c.id).where(wanted))


async def withdraw_job(session: Session, job_id: UUID) -> list[str]:
    """All that the job delivered, and whatever was upscaled from it; the keys to delete."""
    return await _withdraw(session, _upscaled(job_id))


async def withdraw_picture(session: Session, job_id: UUID, index: int) -> list[str]:
    """One picture, the grid that shows it and what was upscaled from it; the keys to delete."""
    table = tables.assets
    shows = or_(table.c.job_id != job_id, table.c.kind == "grid", table.c.index == index)
    return await _withdraw(session, _upscaled(job_id, index), shows)


async def to_remove(session: Session, *, limit: int) -> list[str]:
    """Keys of withdrawn files that may still lie in the store, the oldest first."""
    table = tables.assets
    query = select(table.c.key).where(
        table.c.withdrawn_at.is_not(None), table.c.removed_at.is_(None)
    )
    return list(
        (await session.execute(query.order_by(table.c.withdrawn_at).limit(limit))).scalars()
    )


async def removed(session: Session, keys: Collection[str]) -> None:
    """These files are gone from the store."""
    table = tables.assets
    statement = update(table).where(table.c.key.in_(keys)).values(removed_at=func.clock_timestamp())
    await session.execute(statement)


async def _withdraw(session: Session, jobs: Select[Any], *which: ColumnElement[bool]) -> list[str]:
    table = tables.assets
    statement = update(table).where(
        table.c.withdrawn_at.is_(None), table.c.job_id.in_(jobs), *which
    )
    statement = statement.values(withdrawn_at=func.clock_timestamp()).returning(table.c.key)
    return list((await session.execute(statement)).scalars())


def _upscaled(job_id: UUID, index: int | None = None) -> Select[Any]:
    """This job, and every job that only made it (or this picture of it) larger."""
    jobs = tables.jobs
    tree = select(jobs.c.id).where(jobs.c.id == job_id).cte(recursive=True)
    larger = select(jobs.c.id).join(tree, jobs.c.parent_id == tree.c.id)
    larger = larger.where(jobs.c.kind == "upscale")
    if index is not None:
        larger = larger.where(or_(tree.c.id != job_id, jobs.c.parent_index == index))
    return select(tree.union_all(larger).c.id)


_ADD_VERDICT = insert(tables.verdicts).returning(tables.verdicts.c.id)
_ADD_VERDICTS = insert(tables.verdicts).returning(
    tables.verdicts.c.id, sort_by_parameter_order=True
)
_ADD_ASSETS = insert(tables.assets)
_ASSET_FIELDS = tuple(field.name for field in fields(Asset))


def _verdict(
    job_id: UUID | None, subject: str, verdict: Ruling, *, attempt: int | None
) -> dict[str, object]:
    return {
        "job_id": job_id,
        "subject": subject,
        "decision": str(verdict.decision),
        "category": str(verdict.category),
        "score": verdict.score,
        "rule": verdict.rule,
        "policy": verdict.policy,
        "sha256": verdict.sha256,
        "attempt": attempt,
        "scores": dict(getattr(verdict, "scores", {})),
    }


def _asset(asset: Asset, verdict_id: int) -> dict[str, object]:
    return {name: getattr(asset, name) for name in _ASSET_FIELDS} | {"verdict_id": verdict_id}
