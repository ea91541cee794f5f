"""Tasks in Postgres: what clients of the proxy's dialect asked for. A job is told by its own row, not here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, or_, select, update

from shared.connections import Session
from shared.doortables import tasks

LIFE = timedelta(days=30)  # of one without a job; with one, it is kept as long as its account


class TaskState(StrEnum):
    """Of one without a job. Which ends by itself: who reads it says when it has been submitted too long."""

    SUBMITTED = "submitted"
    MODAL = "modal"  # it waits for the words of a form
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Task:
    """`memo` is told back. `told` by action: what a form is about, what a text service wrote, why nothing
    came of it, and the `key` under which its job was submitted."""

    id: int
    account_id: UUID
    job_id: UUID | None
    action: str
    prompt: str
    memo: str
    state: TaskState
    told: Mapping[str, Any]
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def key(self) -> str:
        """Of its submission at the desk."""
        return self.told.get("key") or f"mj:{self.id}"


async def add(
    session: Session,
    account_id: UUID,
    *,
    action: str,
    memo: str,
    prompt: str = "",
    state: TaskState = TaskState.SUBMITTED,
    told: Mapping[str, Any] | None = None,
    job_id: UUID | None = None,
) -> Task:
    values = {
        "account_id": account_id,
        "job_id": job_id,
        "action": action,
        "prompt": prompt,
        "memo": memo,
        "state": state,
        "told": dict(told or {}),
    }
    return _task((await session.execute(insert(tasks).values(values).returning(*_COLUMNS))).one())


async def attach(session: Session, task_id: int, job_id: UUID) -> None:
    """From here on, the job tells how it stands."""
    statement = update(tasks).where(tasks.c.id == task_id)
    await session.execute(statement.values(job_id=job_id, state=TaskState.DONE))


async def drop(session: Session, task_id: int) -> None:
    """What it asked for was refused: nobody is given its number."""
    await session.execute(delete(tasks).where(tasks.c.id == task_id))


async def settle(session: Session, task_id: int, state: TaskState, told: Mapping[str, Any]) -> None:
    """What came of a task without a job; once."""
    open_ = and_(tasks.c.id == task_id, tasks.c.state == TaskState.SUBMITTED)
    values = {"state": state, "told": dict(told), "finished_at": func.clock_timestamp()}
    await session.execute(update(tasks).where(open_).values(values))


async def fill_in(session: Session, account_id: UUID, task_id: int) -> bool:
    """A form's words are there: True for one alone of all who send them at once."""
    return await _move(session, account_id, task_id, TaskState.MODAL, TaskState.SUBMITTED)


async def put_back(session: Session, account_id: UUID, task_id: int) -> None:
    """The words were refused: the form waits for other ones."""
    await _move(session, account_id, task_id, TaskState.SUBMITTED, TaskState.MODAL)


async def own(session: Session, account_id: UUID, ids: Collection[int]) -> list[Task]:
    """Those of them that are this account's, the newest first."""
    wanted = and_(tasks.c.account_id == account_id, tasks.c.id.in_(ids))
    return await _all(session, select(*_COLUMNS).where(wanted).order_by(tasks.c.id.desc()))


async def recent(session: Session, account_id: UUID, limit: int) -> list[Task]:
    query = select(*_COLUMNS).where(tasks.c.account_id == account_id)
    return await _all(session, query.order_by(tasks.c.id.desc()).limit(limit))


async def of_job(session: Session, account_id: UUID, job_id: UUID, key: str) -> Task | None:
    """The first that this job is of; `key` is the job's submission, for one that is not attached yet."""
    number = key.removeprefix("mj:")
    mine = tasks.c.id == int(number) if number.isdecimal() else tasks.c.told["key"].astext == key
    unattached = and_(tasks.c.job_id.is_(None), mine)
    wanted = and_(tasks.c.account_id == account_id, or_(tasks.c.job_id == job_id, unattached))
    found = await _all(session, select(*_COLUMNS).where(wanted).order_by(tasks.c.id).limit(1))
    return found[0] if found else None


async def forget(session: Session, *, older_than: timedelta) -> int:
    """Texts and forms of long ago."""
    old = tasks.c.submitted_at < func.clock_timestamp() - older_than
    statement = delete(tasks).where(old, tasks.c.job_id.is_(None)).returning(tasks.c.id)
    return len((await session.execute(statement)).all())


async def _move(
    session: Session, account_id: UUID, task_id: int, source: TaskState, target: TaskState
) -> bool:
    mine = and_(tasks.c.id == task_id, tasks.c.account_id == account_id, tasks.c.state == source)
    statement = update(tasks).where(mine).values(state=target).returning(tasks.c.id)
    return (await session.execute(statement)).one_or_none() is not None


async def _all(session: Session, query: Any) -> list[Task]:
    return [_task(row) for row in await session.execute(query)]


def _task(row: Any) -> Task:
    told = {name: getattr(row, name) for name in Task.__slots__}
    return Task(**told | {"state": TaskState(row.state)})


_COLUMNS: Sequence[Any] = [tasks.c[name] for name in Task.__slots__]
