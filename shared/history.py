"""All that is known of one job, for the operator: plain values that JSON can carry, and no token."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from shared import joblists, tables
from shared.assets import assets
from shared.connections import Session
from shared.jobs import Job
from shared.spec import RenderSpec
from shared.workers import live_workers

REMEMBERED_S = 300.0  # workers seen so lately are part of the picture


async def history(session: Session, job_id: UUID) -> dict[str, Any] | None:
    """The row, every change of its state, money, verdicts, files and delivery; None: no such job."""
    job = await joblists.load(session, job_id)
    if job is None:
        return None
    return {
        "job": {field.name: _plain(getattr(job, field.name)) for field in fields(Job)},
        "transitions": await _rows(session, tables.transitions, job_id, _MOVES),
        "money": await _rows(session, tables.ledger, job_id, _MONEY),
        "verdicts": await _rows(session, tables.verdicts, job_id, _VERDICTS),
        "files": [_plain(asdict(asset)) for asset in await assets(session, job_id)],
        "errors": await errors(session, job_id),
        "delivery": await _delivery(session, job_id),
    }


async def errors(session: Session, job_id: UUID) -> list[dict[str, Any]]:
    """What its workers said when they gave it up, the oldest first."""
    book = tables.audit
    query = select(book.c.at, book.c.actor, book.c.detail)
    query = query.where(book.c.subject == f"job:{job_id}", book.c.action == "crash")
    rows = await session.execute(query.order_by(book.c.id))
    return [{"at": _plain(at), "worker": actor, **detail} for at, actor, detail in rows]


async def dump(session: Session, job_id: UUID) -> dict[str, Any]:
    """For the audit book: the history of a job that was given up, and the farm around it. Without a
    word of it, and without where it was asked: that book never changes, and people have theirs erased."""
    told = await history(session, job_id) or {}
    told.pop("delivery", None)
    job = told.get("job", {})
    for name in ("prompt", "submission_key"):
        job.pop(name, None)
    for name in ("texts", "negative"):
        job.get("spec", {}).pop(name, None)
    workers = await live_workers(session, REMEMBERED_S)
    counts = await joblists.queue_counts(session)
    return told | {
        "farm": {
            "workers": [_plain(asdict(row)) for row in workers],
            "open": {f"{state.value} {speed.value}": n for (state, speed), n in counts.items()},
        }
    }


async def gave_up(session: Session, job_id: UUID) -> dict[str, Any] | None:
    """The dump that was stored when this job had crashed too often."""
    book = tables.audit
    query = select(book.c.detail).where(book.c.subject == f"job:{job_id}")
    return await session.scalar(query.where(book.c.action == "gave_up").limit(1))


_MOVES = ("at", "source", "target", "attempt", "crashes", "worker")
_MONEY = ("at", "kind", "debit", "credit", "amount_ms")
_VERDICTS = ("at", "subject", "decision", "category", "score", "rule", "policy", "attempt")


async def _rows(
    session: Session, table: Table, job_id: UUID, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    query = select(*(table.c[name] for name in names)).where(table.c.job_id == job_id)
    rows = await session.execute(query.order_by(table.c.id))
    return [_plain(dict(row._mapping)) for row in rows]


async def _delivery(session: Session, job_id: UUID) -> dict[str, Any] | None:
    """Where the answer goes, without the token that could answer in our name."""
    table = tables.deliveries
    bare = table.c.route.op("-")("token").op("-")("token_expires_at").label("route")
    query = select(table.c.state, table.c.delivered_at, table.c.last_error, bare)
    row = (await session.execute(query.where(table.c.job_id == job_id))).one_or_none()
    return None if row is None else _plain(dict(row._mapping))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, RenderSpec):
        return value.as_dict()
    return str(value) if isinstance(value, UUID) else value
