"""Looks at the jobs table; nothing here changes a row."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
)

from shared.connections import Session
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.plans import Speed
from shared.tables import assets, jobs

_NUMBER = re.compile(r"[0-9a-f-]{4,36}")  # the beginning of a job's, as people copy it
_SENT = (JobState.DISPATCHED, JobState.RUNNING)


async def load(session: Session, job_id: UUID) -> Job | None:
    return await _first(session, jobs.c.id == job_id)


async def several(session: Session, job_ids: Collection[UUID]) -> list[Job]:
    """Those of them that there are, in no order."""
    return await _all(session, select(*ROW).where(jobs.c.id.in_(job_ids)))


async def by_submission(session: Session, key: str) -> Job | None:
    return await _first(session, jobs.c.submission_key == key)


async def by_submissions(session: Session, keys: Sequence[str]) -> list[Job]:
    """In the order of their keys' first acceptance."""
    return [job_from(row) for row in await session.execute(_BY_KEYS, {"keys": list(keys)})]


async def asked(session: Session, keys: Sequence[str]) -> list[tuple[Job, str | None]]:
    """The same, and the hash of what was asked."""
    rows = await session.execute(_ASKED, {"keys": list(keys)})
    return [(job_from(row), row.asked_sha256) for row in rows]


async def uploads_named(session: Session, keys: Collection[str]) -> set[str]:
    """Those of these files that a job starts from, whatever became of it."""
    query = select(jobs.c.uploads).where(
        jobs.c.uploads.overlap(list(keys)), jobs.c.uploads != text("'{}'")
    )
    found = (await session.execute(query)).scalars()
    return {key for named in found for key in named}.intersection(keys)


async def recent(session: Session, account_id: UUID, limit: int) -> list[Job]:
    query = select(*ROW).where(jobs.c.account_id == account_id)
    return await _all(session, query.order_by(jobs.c.submitted_at.desc()).limit(limit))


async def told_of(
    session: Session,
    account_id: UUID,
    words: str,
    *,
    before: datetime | None = None,
    limit: int,
) -> list[Job]:
    """Whose prompt holds each of these words, or whose number begins so; the newest first."""
    query = select(*ROW).where(jobs.c.account_id == account_id, _told(words))
    if before is not None:
        query = query.where(jobs.c.submitted_at < before)
    return await _all(session, query.order_by(jobs.c.submitted_at.desc()).limit(limit))


async def listed(
    session: Session,
    account_id: UUID,
    *,
    words: str = "",
    state: JobState | None = None,
    kind: JobKind | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Job]:
    """A page of an account's jobs, the newest first; `after` is the last one of the page before."""
    query = select(*ROW).where(jobs.c.account_id == account_id, _told(words))
    for column, wanted in ((jobs.c.state, state), (jobs.c.kind, kind)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        query = query.where(tuple_(jobs.c.submitted_at, jobs.c.id) < after)
    query = query.order_by(jobs.c.submitted_at.desc(), jobs.c.id.desc())
    return await _all(session, query.limit(limit))


async def delivered(
    session: Session, account_id: UUID, spec_sha256s: Collection[str]
) -> dict[tuple[str, Visibility], Job]:
    """Of these recipes, by who may see it: the newest that has all of its pictures still."""
    there = func.count().filter(assets.c.kind == "image", assets.c.withdrawn_at.is_(None))
    whole = select(there).where(assets.c.job_id == jobs.c.id).scalar_subquery()
    query = select(*ROW, jobs.c.spec_sha256).where(
        jobs.c.account_id == account_id,
        jobs.c.spec_sha256.in_(spec_sha256s),
        jobs.c.state == JobState.SUCCEEDED,
        whole == jobs.c.spec["images"].as_integer(),
    )
    rows = await session.execute(query.order_by(jobs.c.submitted_at))
    return {(row.spec_sha256, Visibility(row.visibility)): job_from(row) for row in rows}


async def memos(session: Session, job_ids: Collection[UUID]) -> dict[UUID, str]:
    """What is to be told back with these jobs, where there is anything."""
    query = select(jobs.c.id, jobs.c.memo).where(jobs.c.id.in_(job_ids), jobs.c.memo != "")
    rows = await session.execute(query)
    return {row.id: row.memo for row in rows}


async def open_jobs(session: Session, account_id: UUID) -> list[Job]:
    """Not finished yet, the oldest first."""
    query = select(*ROW).where(jobs.c.account_id == account_id, jobs.c.finished_at.is_(None))
    return await _all(session, query.order_by(jobs.c.submitted_at, jobs.c.id))


async def children(session: Session, job_id: UUID) -> list[Job]:
    query = select(*ROW).where(jobs.c.parent_id == job_id)
    return await _all(session, query.order_by(jobs.c.submitted_at, jobs.c.id))


async def waiting(session: Session) -> list[Job]:
    """Every waiting job, the oldest first."""
    query = select(*ROW).where(jobs.c.state == JobState.WAITING, jobs.c.finished_at.is_(None))
    return await _all(session, query.order_by(jobs.c.submitted_at, jobs.c.id))


async def dispatched_to(session: Session, worker: str) -> list[Job]:
    """What this worker was rung for and has not claimed yet, the oldest first."""
    return [job_from(row) for row in await session.execute(_DISPATCHED_TO, {"to": worker})]


async def sent(session: Session) -> list[Job]:
    """Everything that is dispatched or running anywhere, the oldest first."""
    query = select(*ROW).where(jobs.c.state.in_(_SENT), jobs.c.finished_at.is_(None))
    return await _all(session, query.order_by(jobs.c.dispatched_at, jobs.c.id))


async def running_and_waiting(session: Session, account_id: UUID) -> tuple[int, int]:
    """A dispatched job counts as running: its turn has come."""
    rows = await session.execute(_OPEN_COUNTS, {"of": account_id})
    counts: dict[str, int] = dict(iter(rows))
    return sum(counts.get(state, 0) for state in _SENT), counts.get(JobState.WAITING, 0)


async def state_counts(session: Session, account_id: UUID) -> dict[str, int]:
    """All jobs that this account ever had, by state."""
    return await _counts(session, jobs.c.account_id == account_id)


async def queue_counts(session: Session) -> dict[tuple[JobState, Speed], int]:
    """How many open jobs there are in each state and speed."""
    keys = (jobs.c.state, jobs.c.speed)
    query = select(*keys, func.count()).where(jobs.c.finished_at.is_(None)).group_by(*keys)
    rows = await session.execute(query)
    return {(JobState(state), Speed(speed)): count for state, speed, count in rows}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the simulator needs of a submission: no prompt, no name."""

    account_id: UUID
    plan: str
    speed: Speed
    checkpoint: str
    steps: int
    submitted_at: datetime
    estimate_ms: int
    gpu_ms: int | None


async def asked_since(session: Session, since: timedelta) -> list[Asked]:
    """Every submission of so long until now, whatever became of it, the oldest first."""
    query = select(
        jobs.c.account_id,
        jobs.c.plan,
        jobs.c.speed,
        jobs.c.spec["checkpoint"].astext.label("checkpoint"),
        jobs.c.spec["steps"].as_integer().label("steps"),
        jobs.c.submitted_at,
        jobs.c.estimate_ms,
        jobs.c.gpu_ms,
    ).where(jobs.c.submitted_at > func.clock_timestamp() - since)
    rows = await session.execute(query.order_by(jobs.c.submitted_at, jobs.c.id))
    return [Asked(**{**row._mapping, "speed": Speed(row.speed)}) for row in rows]


def _told(words: str) -> ColumnElement[bool]:
    said = and_(true(), *(jobs.c.prompt.icontains(word, autoescape=True) for word in words.split()))
    number = words.strip().lower()
    if not _NUMBER.fullmatch(number):
        return said
    return or_(said, cast(jobs.c.id, Text).startswith(number))


async def _first(session: Session, condition: ColumnElement[bool]) -> Job | None:
    row = (await session.execute(select(*ROW).where(condition))).one_or_none()
    return None if row is None else job_from(row)


async def _all(session: Session, query: Any) -> list[Job]:
    return [job_from(row) for row in await session.execute(query)]


async def _counts(session: Session, condition: ColumnElement[bool]) -> dict[str, int]:
    query = select(jobs.c.state, func.count()).where(condition).group_by(jobs.c.state)
    return {row[0]: row[1] for row in await session.execute(query)}


# What is asked for every job, or every second, is built once.
_BY_KEYS = (
    select(*ROW)
    .where(jobs.c.submission_key.in_(bindparam("keys", expanding=True)))
    .order_by(jobs.c.submitted_at, jobs.c.id)
)
_ASKED = _BY_KEYS.add_columns(jobs.c.asked_sha256)
_OPEN_COUNTS = (
    select(jobs.c.state, func.count())
    .where(jobs.c.account_id == bindparam("of"), jobs.c.finished_at.is_(None))
    .group_by(jobs.c.state)
)
_DISPATCHED_TO = (
    select(*ROW)
    .where(
        jobs.c.state == JobState.DISPATCHED,
        jobs.c.worker == bindparam("to"),
        jobs.c.finished_at.is_(None),
    )
    .order_by(jobs.c.dispatched_at, jobs.c.id)
)
