"""The close of a month: what its books said is written down once, and must be true for ever.

The seal is SHA-256 over every entry of the month, so that a changed amount is found even where the totals
are the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.errors import Fault, Refusal
from shared.reports import billing
from shared.reports.drift import drift
from shared.reports.sheets import By
from shared.reports.spans import Span, month_name, month_of
from shared.reports.usage import usage
from shared.tradetables import closings

# An entry has its moment before its transaction ends: whatever is under way at midnight is over by then.
GRACE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Closing:
    """`totals` by column of the reports; `last_entry` is the month's last in the ledger, 0 for none."""

    month: str
    totals: Mapping[str, int]
    last_entry: int
    sha256: str
    closed_at: datetime


async def close(session: Session, month: str, *, now: datetime) -> Closing:
    """A second close is the first. Refusal while the month is not over; Fault when its books do not agree
    with what was measured, and when it was closed before and has changed since."""
    span = month_of(month)
    if now < span.until + GRACE:
        first = span.until + GRACE
        sentence = f"{month} is not over. It can be closed from {first:%Y-%m-%d %H:%M} UTC on."
        raise Refusal("month_open", sentence, field="--month")
    before = await of_month(session, month_name(span))
    if before is None:
        await _check_agrees(session, span)
    totals, last, seal = await _drawn_up(session, span)
    row = {"month": month_name(span), "totals": totals, "last_entry": last, "sha256": seal}
    await session.execute(insert(closings).values(row).on_conflict_do_nothing())
    closed = await of_month(session, month_name(span))
    assert closed is not None
    if (wrong := _difference(closed, totals, last, seal)) is not None:
        raise Fault("month_changed", f"{wrong}.")
    return closed


async def of_month(session: Session, month: str) -> Closing | None:
    query = select(closings).where(closings.c.month == month)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Closing(*row)


async def changed(session: Session) -> list[str]:
    """One line for each closed month whose books are no longer what they were."""
    found = []
    for row in (await session.execute(select(closings).order_by(closings.c.month))).all():
        closing = Closing(*row)
        drawn = await _drawn_up(session, month_of(closing.month))
        if (wrong := _difference(closing, *drawn)) is not None:
            found.append(wrong)
    return found


def _difference(closing: Closing, totals: Mapping[str, int], last: int, seal: str) -> str | None:
    if (closing.totals, closing.last_entry, closing.sha256) == (totals, last, seal):
        return None
    names = [name for name in totals if closing.totals.get(name) != totals[name]]
    told = ", ".join(f"{name} {closing.totals.get(name)} -> {totals[name]}" for name in names)
    what = told or "entries were changed, and the totals are the same"
    return f"month {closing.month} was closed and has changed since: {what}"


async def _check_agrees(session: Session, span: Span) -> None:
    found = await drift(session, span)
    if not found.agrees:
        first = found.wrong[0] if found.wrong else f"{found.settled_ms} of {found.measured_ms} ms"
        sentence = f"The books of {month_name(span)} do not agree with what was measured: {first}."
        raise Fault("month_drifts", sentence)


async def _drawn_up(session: Session, span: Span) -> tuple[dict[str, int], int, str]:
    sheet = await usage(session, span, By.PLAN)
    totals = await billing.sums(session, span)
    totals |= dict(zip(sheet.names, sheet.totals, strict=True))
    told = {"since": span.since, "until": span.until}
    days = (await session.execute(text(_DAYS), told)).all()
    last = max((row.last for row in days), default=0)
    whole = json.dumps([[row.day, row.seal] for row in days]).encode()
    return totals, last, sha256(whole).hexdigest()


# By days, since one text of all entries of a month may be too long. What is in the seal never changes: a
# person who has themselves erased keeps their number in the books.
_DAYS = """
select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, max(id) as last,
    encode(sha256(convert_to(string_agg(
        concat_ws('|', id, account_id, job_id, kind, amount_ms, expiring_ms, extract(epoch from at)),
        E'\\n' order by id), 'UTF8')), 'hex') as seal
from ledger where at >= :since and at < :until
group by 1 order by 1
"""
