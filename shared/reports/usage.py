"""What was drawn: jobs by how they ended, pictures, GPU time measured and charged.

A job counts when the ledger closed its hold, so that what was charged here is what was settled there.
"""

from uuid import UUID

from sqlalchemy import text

from shared.connections import Session
from shared.reports.keys import GROUPINGS, label_of
from shared.reports.sheets import By, Row, Sheet, counts, sorted_rows, times
from shared.reports.spans import Span

COLUMNS = (
    *counts("jobs", "succeeded", "failed", "blocked", "cancelled", "pictures"),
    *times("gpu_ms", "charged_ms"),
)


async def usage(
    session: Session,
    span: Span,
    by: By,
    *,
    guild_id: str | None = None,
    account_id: UUID | None = None,
) -> Sheet:
    """`guild_id`: of what was asked for on that server alone. `account_id`: of this person's alone."""
    grouping = GROUPINGS[by]
    query = _USAGE.format(key=grouping.key, label=grouping.label)
    told = {"since": span.since, "until": span.until, "guild": guild_id, "account": account_id}
    found = (await session.execute(text(query), told)).all()
    rows = [Row(key, label_of(by, key, name), tuple(values)) for key, name, *values in found]
    weight = len(COLUMNS) - 2
    return Sheet("usage", by, span, COLUMNS, sorted_rows(rows, by, weight=weight))


_USAGE = """
select {key} as key, {label} as label,
    count(*),
    count(*) filter (where j.state = 'succeeded'),
    count(*) filter (where j.state = 'failed'),
    count(*) filter (where j.state = 'blocked'),
    count(*) filter (where j.state = 'cancelled'),
    coalesce(sum((j.spec ->> 'images')::bigint) filter (where j.state = 'succeeded'), 0)::bigint,
    coalesce(sum(j.gpu_ms), 0)::bigint,
    coalesce(sum(l.amount_ms) filter (where l.kind = 'settle'), 0)::bigint
from ledger l join jobs j on j.id = l.job_id join accounts a on a.id = l.account_id
where l.at >= :since and l.at < :until
  and (l.kind = 'settle' or (l.kind = 'release' and j.state in ('failed', 'blocked', 'cancelled')))
  and (cast(:guild as text) is null or j.guild_id = :guild)
  and (cast(:account as uuid) is null or l.account_id = :account)
group by 1, 2
"""
