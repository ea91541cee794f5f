"""What the ledger says was granted, taken, held, spent and given back, whoever or whatever it is told by."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.connections import Session
from shared.reports.keys import GROUPINGS, label_of
from shared.reports.sheets import By, Row, Sheet, sorted_rows, times
from shared.reports.spans import Span

# Kinds of entries, in the order of the columns.
KINDS = {
    "grant": "granted_ms",
    "revoke": "revoked_ms",
    "expire": "expired_ms",
    "hold": "held_ms",
    "settle": "settled_ms",
    "release": "released_ms",
}
COLUMNS = times(*KINDS.values())
SETTLED = list(KINDS).index("settle")


async def billing(
    session: Session,
    span: Span,
    by: By,
    *,
    guild_id: str | None = None,
    account_id: UUID | None = None,
) -> Sheet:
    """`guild_id`: of jobs on that server alone; what is granted belongs to none. `account_id`: of this
    person's alone."""
    grouping = GROUPINGS[by]
    jobs = "left join jobs j on j.id = l.job_id" if grouping.of_job or guild_id else ""
    query = _BILLING.format(key=grouping.key, label=grouping.label, sums=_SUMS, jobs=jobs)
    query = query.replace("{guild}", "and j.guild_id = :guild" if guild_id else "")
    query = query.replace("{account}", "and l.account_id = :account" if account_id else "")
    told: dict[str, Any] = {"since": span.since, "until": span.until}
    told |= {"guild": guild_id} if guild_id else {}
    told |= {"account": account_id} if account_id else {}
    found = (await session.execute(text(query), told)).all()
    rows = [Row(key, label_of(by, key, name), tuple(values)) for key, name, *values in found]
    return Sheet("billing", by, span, COLUMNS, sorted_rows(rows, by, weight=SETTLED))


async def sums(session: Session, span: Span) -> dict[str, int]:
    """By column, straight from the ledger and from nothing else."""
    told = {"since": span.since, "until": span.until}
    row = (await session.execute(text(_TOTALS.format(sums=_SUMS)), told)).one()
    return dict(zip(KINDS.values(), row, strict=True))


_SUMS = ", ".join(
    f"coalesce(sum(l.amount_ms) filter (where l.kind = '{kind}'), 0)::bigint" for kind in KINDS
)
_BILLING = """
select {key} as key, {label} as label, {sums}
from ledger l join accounts a on a.id = l.account_id {jobs}
where l.at >= :since and l.at < :until {{guild}} {{account}}
group by 1, 2
"""
_TOTALS = "select {sums} from ledger l where l.at >= :since and l.at < :until"
