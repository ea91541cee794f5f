"""Delivered pictures by the mark in their pixels and by their looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, insert, select
from sqlalchemy.dialects.postgresql import BIT

from shared.connections import Session
from shared.peopletables import fingerprints
from shared.tables import accounts, assets, jobs

GRID = -1  # the picture that shows all the others
MOST = 20  # of alike pictures; the nearest come first


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`code` is the watermark's 64 bits, `looks` a perceptual hash of as many, signed; `picture` counts
    from 0."""

    picture: int
    code: int
    looks: int


@dataclass(frozen=True, slots=True)
class Made:
    """A picture of ours: whose job it was, when it was made, and its file as it was delivered. `looks`
    is None for one from before there were fingerprints."""

    job_id: UUID
    picture: int
    account_id: UUID
    discord_id: str
    guild_id: str | None
    at: datetime
    looks: int | None
    sha256: str
    width: int
    height: int
    mime: str


async def add_fingerprints(session: Session, job_id: UUID, found: Sequence[Fingerprint]) -> None:
    rows = [
        {"job_id": job_id, "picture": one.picture, "code": _signed(one.code), "looks": one.looks}
        for one in found
    ]
    if rows:
        await session.execute(insert(fingerprints), rows)


async def by_file(session: Session, sha256: str) -> list[Made]:
    """The delivered file with exactly these bytes."""
    return await _made(session, _MADE.where(assets.c.sha256 == sha256))


async def by_code(session: Session, code: int) -> list[Made]:
    """The grid first, then the pictures in order: all of a job carry one code."""
    return await _made(session, _MADE.where(fingerprints.c.code == _signed(code)))


async def by_job(session: Session, job_id: UUID) -> list[Made]:
    return await _made(session, _MADE.where(assets.c.job_id == job_id))


async def by_looks(session: Session, looks: int, *, within: int) -> list[Made]:
    """Those that differ in at most so many bits, the nearest first. It reads every row of the table: 1e6
    take a fraction of a second."""
    apart = _apart(looks)
    query = _MADE.where(apart <= within).order_by(None).order_by(apart, fingerprints.c.at.desc())
    return await _made(session, query.limit(MOST))


async def _made(session: Session, query: Select[tuple[object, ...]]) -> list[Made]:
    return [Made(**row._mapping) for row in await session.execute(query)]


def _signed(bits: int) -> int:
    """As Postgres keeps 64 bits."""
    return int.from_bytes(bits.to_bytes(8, "big"), "big", signed=True)


def _apart(looks: int) -> ColumnElement[int]:
    different = fingerprints.c.looks.op("#")(cast(looks, BigInteger))
    return func.bit_count(cast(different, BIT(64)))


_PICTURE = case((assets.c.kind == "grid", GRID), else_=assets.c.index)
_MADE: Select[tuple[object, ...]] = (
    select(
        assets.c.job_id,
        _PICTURE.label("picture"),
        jobs.c.account_id,
        accounts.c.discord_id,
        jobs.c.guild_id,
        assets.c.at,
        fingerprints.c.looks,
        assets.c.sha256,
        assets.c.width,
        assets.c.height,
        assets.c.mime,
    )
    .join_from(assets, jobs, jobs.c.id == assets.c.job_id)
    .join(accounts, accounts.c.id == jobs.c.account_id)
    .outerjoin(
        fingerprints,
        and_(fingerprints.c.job_id == assets.c.job_id, fingerprints.c.picture == _PICTURE),
    )
    .where(assets.c.kind != "recipe")
    .order_by(_PICTURE)
)
