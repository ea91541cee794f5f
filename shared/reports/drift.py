"""Whether the ledger says what workers measured: every settled job again, from its GPU time and its price.

The price of a job is the one it was told when it was accepted; of one from before prices were kept, its hold
over its estimate. Nothing costs more than its hold.
"""

from dataclasses import dataclass

from sqlalchemy import text

from shared.connections import Session
from shared.reports.spans import Span

MOST_NAMED = 100
TOLERATED_PERMILLE = 1


@dataclass(frozen=True, slots=True)
class Drift:
    """`measured_ms` is what the measured time costs. `capped_ms` of it was given away: a hold is the most
    that a job may cost."""

    jobs: int
    settled_ms: int
    measured_ms: int
    capped_ms: int
    wrong: tuple[str, ...]
    wrong_count: int

    @property
    def agrees(self) -> bool:
        """No job is wrong, and all together are within 0.1 percent."""
        off = abs(self.settled_ms - self.measured_ms) * 1000
        return not self.wrong_count and off <= self.measured_ms * TOLERATED_PERMILLE + 1000


async def drift(session: Session, span: Span) -> Drift:
    """`wrong` names the first MOST_NAMED jobs whose charge is not what was measured."""
    told = {"since": span.since, "until": span.until}
    row = (await session.execute(text(_DRIFT), told)).one()
    wrong: list[str] = []
    if row.wrong:
        named = await session.execute(text(_WRONG), told | {"most": MOST_NAMED})
        wrong = list(named.scalars())
    return Drift(row.jobs, row.settled, row.measured, row.capped, tuple(wrong), row.wrong)


# A whole millisecond of rounding at the sale, one at the charge: what they make is no drift.
_SETTLED = """
with settled as (
    select l.job_id, l.amount_ms as settled, h.amount_ms as held, j.gpu_ms, j.charged_ms, j.estimate_ms,
        coalesce(j.price::numeric, h.amount_ms::numeric / greatest(j.estimate_ms, 1)) as price
    from ledger l
    join jobs j on j.id = l.job_id
    left join ledger h on h.job_id = l.job_id and h.kind = 'hold'
    where l.kind = 'settle' and l.at >= :since and l.at < :until
), priced as (
    select *, ceil(coalesce(gpu_ms, 0) * price) as full_ms from settled
), compared as (
    select *, least(full_ms, held) as measured,
        greatest(1, ceil(least(full_ms, held) / 1000.0),
            ceil(coalesce(gpu_ms, 0)::numeric / greatest(estimate_ms, 1))) as allowed
    from priced
), judged as (
    select *, held is null or measured is null or abs(settled - measured) > allowed
        or charged_ms is distinct from settled or (gpu_ms is null and settled > 0) as wrong
    from compared
)
"""
_DRIFT = (
    _SETTLED
    + """
select count(*) as jobs, coalesce(sum(settled), 0)::bigint as settled,
    coalesce(sum(measured), 0)::bigint as measured,
    coalesce(sum(full_ms - measured), 0)::bigint as capped,
    count(*) filter (where wrong) as wrong
from judged
"""
)
_WRONG = (
    _SETTLED
    + """
select format('job %s: settled %s ms, charged %s ms; %s ms measured make %s ms (held %s ms for %s ms)',
    job_id, settled, charged_ms, coalesce(gpu_ms::text, 'no'), measured, held, estimate_ms)
from judged where wrong order by job_id limit :most
"""
)
