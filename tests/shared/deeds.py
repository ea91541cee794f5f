"""Ends of a job as the product writes them: the row and its money in one transaction, or neither."""

from typing import Any

from shared import jobstore, ledger
from shared.connections import Session
from shared.jobs import Job
from tests.shared.rows import Ruling

TOLD: dict[str, Any] = {"code": "why", "sentence": "Because."}


class Undone(Exception):
    """The transaction fails at its very end."""


async def succeed(session: Session, job: Job, charged: int, *, attempt: int, worker: str) -> bool:
    """The verdict of an attempt that was too late is undone with the rest."""
    try:
        async with session.begin_nested():
            verdict = await jobstore.add_verdict(session, job.id, "job", Ruling(), attempt=attempt)
            ended = await jobstore.succeeded(
                session,
                job.id,
                attempt=attempt,
                worker=worker,
                verdict_id=verdict,
                gpu_ms=charged,
                charged_ms=charged,
            )
            if ended is None:
                raise Undone
            await ledger.settle(session, ended, charged)
    except Undone:
        return False
    return True


async def block(session: Session, job: Job, *, attempt: int, worker: str) -> bool:
    holder: dict[str, Any] = {"attempt": attempt, "worker": worker}
    return await _refunded(
        session, await jobstore.blocked(session, job.id, gpu_ms=1, **holder, **TOLD)
    )


async def fail(session: Session, job: Job, *, attempt: int, worker: str | None) -> bool:
    holder: dict[str, Any] = {"attempt": attempt, "worker": worker}
    return await _refunded(session, await jobstore.failed(session, job.id, **holder, **TOLD))


async def cancel(session: Session, job: Job, *, by: Any) -> bool:
    return await _refunded(session, await jobstore.cancelled(session, job.id, by))


async def rescue(session: Session, *, max_crashes: int) -> int:
    found = await jobstore.rescued(session, max_crashes=max_crashes)
    for job in found:
        if job.state == "failed":
            await ledger.release(session, job)
    return len(found)


async def _refunded(session: Session, ended: Job | None) -> bool:
    if ended is not None:
        await ledger.release(session, ended)
    return ended is not None
