"""What one job was quoted, what was held for it, charged and given back, and the book's own lines."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from shared.connections import Session
from shared.cost import hold_ms, priced
from shared.jobs import Job
from shared.plans import PlanBook, Speed
from shared.tables import ledger


@dataclass(frozen=True, slots=True)
class Entry:
    """`kind` is hold, settle or release."""

    kind: str
    amount_ms: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """`quote_ms` is what it was said to cost at most; `price` is of one measured GPU-millisecond at its
    speed; `gpu_ms` what was measured, None while it is not finished."""

    job: Job
    quote_ms: int
    held_ms: int
    settled_ms: int
    refunded_ms: int
    gpu_ms: int | None
    speed: Speed
    price: float
    entries: tuple[Entry, ...]


async def bill(session: Session, job: Job, book: PlanBook) -> Bill:
    query = select(ledger.c.kind, ledger.c.amount_ms, ledger.c.at)
    rows = await session.execute(query.where(ledger.c.job_id == job.id).order_by(ledger.c.id))
    entries = tuple(Entry(*row) for row in rows)
    sums = {kind: _sum(entries, kind) for kind in ("hold", "settle", "release")}
    terms = priced(job, book)
    return Bill(
        job=job,
        quote_ms=hold_ms(job.estimate_ms, job.speed, terms),
        held_ms=sums["hold"],
        settled_ms=sums["settle"],
        refunded_ms=sums["release"],
        gpu_ms=job.gpu_ms,
        speed=job.speed,
        price=terms.price[job.speed],
        entries=entries,
    )


def _sum(entries: tuple[Entry, ...], kind: str) -> int:
    return sum(entry.amount_ms for entry in entries if entry.kind == kind)
