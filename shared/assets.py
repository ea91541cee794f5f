"""What a job delivered, and the verdicts that allowed it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import insert, select

from shared import tables
from shared.connections import Session


class Ruling(Protocol):
    """What a verdict says, whoever reached it."""

    @property
    def decision(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def rule(self) -> str: ...
    @property
    def policy(self) -> str: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asset:
    """A delivered file: `kind` grid or image, `index` of the image in its job, `key` in the store."""

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
    statement = insert(tables.verdicts).values(
        job_id=job_id,
        account_id=account_id,
        subject=subject,
        decision=str(verdict.decision),
        category=str(verdict.category),
        score=verdict.score,
        rule=verdict.rule,
        policy=verdict.policy,
        sha256=verdict.sha256,
        attempt=attempt,
    )
    found = await session.execute(statement.returning(tables.verdicts.c.id))
    number: int = found.scalar_one()
    return number


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
    await session.execute(
        insert(tables.assets).values(
            job_id=job_id,
            kind=kind,
            index=index,
            key=key,
            sha256=sha256,
            size=size,
            width=width,
            height=height,
            mime=mime,
            verdict_id=verdict_id,
        )
    )


async def assets(session: Session, job_id: UUID) -> list[Asset]:
    """The grid first, then the images in order."""
    table = tables.assets
    columns = [table.c[name] for name in Asset.__slots__]
    query = select(*columns).where(table.c.job_id == job_id).order_by(table.c.kind, table.c.index)
    return [Asset(**row._mapping) for row in await session.execute(query)]


async def named(session: Session, keys: Collection[str]) -> set[str]:
    """Those of them that are delivered files."""
    column = tables.assets.c.key
    return set((await session.execute(select(column).where(column.in_(keys)))).scalars())
