"""What became of jobs, in the order of its numbers: for whoever follows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, literal_column, select, true

from shared.connections import Session
from shared.jobs import TERMINAL, JobState
from shared.tables import jobs, transitions

PAGE = 1_000
# No transaction of ours lives as long: statements and idle ones are cut before.
LONGEST_TRANSACTION_S = 20.0
# Nor any job: whoever asks for all that happened since need not have every old one looked at.
LONGEST_JOB_DAYS = 7


@dataclass(frozen=True, slots=True)
class Transition:
    """Of one job the numbers grow in the order in which they are seen; of several jobs they need not:
    a lower one may be committed later."""

    id: int
    job_id: UUID
    account_id: UUID
    target: JobState
    attempt: int
    at: datetime

    @property
    def ends(self) -> bool:
        return self.target in TERMINAL


@dataclass(frozen=True, slots=True)
class Look:
    """What is beyond a number, and between which transactions it was looked at: every one before `oldest`
    had ended, and `coming` and later ones had not begun."""

    beyond: Sequence[Transition]
    oldest: int
    coming: int


async def of_job(session: Session, job_id: UUID) -> list[Transition]:
    return [_transition(row) for row in await session.execute(_OF_JOB, {"of": job_id})]


async def of_account(
    session: Session, account_id: UUID, *, after: int, until: int
) -> list[Transition]:
    """The next PAGE of all of its jobs."""
    told = {"of": account_id, "after": after, "until": until}
    return [_transition(row) for row in await session.execute(_OF_ACCOUNT, told)]


async def look_beyond(session: Session, number: int) -> Look:
    rows = (await session.execute(_BEYOND, {"number": number})).all()
    first = rows[0]
    beyond = [_transition(row) for row in rows if row.id is not None]
    return Look(beyond, int(first.oldest), int(first.coming))


async def settled(session: Session) -> int:
    """A number below which nothing comes any more; 0 at the very beginning."""
    found: int | None = await session.scalar(_SETTLED)
    return found or 0


def _transition(row: Any) -> Transition:
    return Transition(row.id, row.job_id, row.account_id, JobState(row.target), row.attempt, row.at)


_WHAT = (
    transitions.c.id,
    transitions.c.job_id,
    jobs.c.account_id,
    transitions.c.target,
    transitions.c.attempt,
    transitions.c.at,
)
_ALL = select(*_WHAT).join_from(transitions, jobs, jobs.c.id == transitions.c.job_id)
_OF_JOB = _ALL.where(transitions.c.job_id == bindparam("of")).order_by(transitions.c.id)
_AFTER = bindparam("after", type_=BigInteger)
_THEN = select(transitions.c.at).where(transitions.c.id <= _AFTER)
_THEN_AT = _THEN.order_by(transitions.c.id.desc()).limit(1).scalar_subquery()
_LIFE = func.make_interval(0, 0, 0, LONGEST_JOB_DAYS)
_OF_ACCOUNT = (
    _ALL.where(
        jobs.c.account_id == bindparam("of"),
        jobs.c.submitted_at > func.coalesce(_THEN_AT - _LIFE, literal_column("'-infinity'")),
        transitions.c.id > _AFTER,
        transitions.c.id <= bindparam("until", type_=BigInteger),
    )
    .order_by(transitions.c.id)
    .limit(PAGE)
)
# One statement has one snapshot: what is seen, and when, belong together.
_NOW = select(
    func.pg_snapshot_xmin(func.pg_current_snapshot()).label("oldest"),
    func.pg_snapshot_xmax(func.pg_current_snapshot()).label("coming"),
).subquery()
_NEWER = _ALL.where(transitions.c.id > bindparam("number", type_=BigInteger)).subquery()
_BEYOND = select(_NOW, _NEWER).select_from(_NOW.outerjoin(_NEWER, true())).order_by(_NEWER.c.id)
_LONG_AGO = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, LONGEST_TRANSACTION_S)
_SETTLED = (
    select(transitions.c.id)
    .where(transitions.c.at < _LONG_AGO)
    .order_by(transitions.c.id.desc())
    .limit(1)
)
