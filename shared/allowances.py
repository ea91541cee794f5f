"""What a plan gives each month: begun, topped up when a plan gives more, and gone at its end.

Whoever turns a month holds the balance's lock, so a thousand at once turn it once; the entries' keys would
refuse a second grant even then.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, select, text, update

from shared import ledger, months
from shared.connections import Session
from shared.errors import Fault
from shared.months import Month, Turn
from shared.planbooks import Plan
from shared.tables import balances

AT_ONCE = 500


async def turn(
    session: Session, account_id: UUID, plan: Plan, *, note: str, grant_ms: int | None = None
) -> int:
    """What is due to this account now is done; the GPU-milliseconds that it was given. `grant_ms` where
    it is not the plan's own."""
    row = (await session.execute(_LOCKED, {"of": account_id})).one_or_none()
    if row is None:
        return 0
    entitled = plan.grant_ms if grant_ms is None else grant_ms
    due = months.due(month_of(row), entitled, row.now)
    return await _carry_out(session, account_id, row, due, plan=plan, note=note) if due else 0


async def expire(session: Session, at_most: int = AT_ONCE) -> int:
    """Takes back what is left of months that are over; of how many accounts. The next month is given when
    its owner comes. Who is busy just now is left to the next sweep."""
    return int((await session.execute(_EXPIRE, {"at_most": at_most})).scalar_one())


def month_of(row: Any) -> Month | None:
    """Of a row with the balance's columns."""
    ends = getattr(row, "expires_at", None)
    if ends is None:
        return None
    return Month(row.month_anchor, ends, row.month_ms)


async def _carry_out(
    session: Session, account_id: UUID, row: Any, due: Turn, *, plan: Plan, note: str
) -> int:
    gone = row.expiring_ms if due.expires else 0
    if gone:
        key = f"expire:{account_id}:{months.period(row.expires_at)}"
        if not await ledger.enter(session, account_id, "expire", gone, expiring_ms=gone, key=key):
            raise Fault("expired_twice", f"{key} is in the book already.")
    given = await _grant(session, account_id, due, plan, note)
    values = {
        "available_ms": balances.c.available_ms - gone + given,
        "expiring_ms": balances.c.expiring_ms - gone + given,
        "expires_at": due.month.ends,
        "month_anchor": due.month.anchor,
        "month_ms": due.month.granted_ms,
    }
    if due.expires or row.month_since is None:
        values["month_since"] = func.clock_timestamp()
    await session.execute(
        update(balances).where(balances.c.account_id == account_id).values(values)
    )
    return given


async def _grant(session: Session, account_id: UUID, due: Turn, plan: Plan, note: str) -> int:
    if due.grant_ms <= 0:
        return 0
    key = f"month:{account_id}:{plan.name}:{months.period(due.begins)}"
    made = await ledger.enter(
        session, account_id, "grant", due.grant_ms, expiring_ms=due.grant_ms, key=key, note=note
    )
    return due.grant_ms if made else 0


_LOCKED = (
    select(balances, func.clock_timestamp().label("now"))
    .where(balances.c.account_id == bindparam("of"))
    .with_for_update()
)
# The pot is not renewed here, and the month stays over: what is released from now on finds it gone.
_EXPIRE = text("""
with over as materialized (
    select account_id, expiring_ms, expires_at from balances
    where expiring_ms > 0 and expires_at <= clock_timestamp()
    order by expires_at limit :at_most for update skip locked
), gone as (
    update balances b set available_ms = b.available_ms - over.expiring_ms, expiring_ms = 0,
        month_since = clock_timestamp()
    from over where b.account_id = over.account_id returning b.account_id
), entered as (
    insert into ledger (account_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select account_id, 'expire', 'available:' || account_id, 'issued', expiring_ms, expiring_ms,
        'expire:' || account_id || ':' || to_char(expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS')
    from over
)
select count(*) from gone
""").bindparams(bindparam("at_most", type_=BigInteger()))
