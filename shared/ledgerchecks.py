"""What must be true of the book, asked of all rows: pots equal their entries, and each job is paid right."""

from sqlalchemy import text

from shared.connections import Session


async def audit_sums(session: Session) -> list[str]:
    """Every mismatch between the book, the balances and the jobs. Empty: the books balance."""
    found: list[str] = []
    for check in (_BALANCES, _MONTHS, _JOBS):
        found += (await session.execute(text(check))).scalars()
    return found


_BALANCES = """
with moved as (
    select credit as pot, amount_ms from ledger union all select debit, -amount_ms from ledger
), sums as (
    select pot, sum(amount_ms) as total from moved group by pot
)
select format('account %s: %s holds %s, the book says %s', b.account_id, pots.name, pots.cached,
              coalesce(sums.total, 0))
from balances b
cross join lateral (values ('available', b.available_ms), ('held', b.held_ms)) as pots (name, cached)
left join sums on sums.pot = pots.name || ':' || b.account_id
where pots.cached <> coalesce(sums.total, 0)
union all
select format('%s holds %s of an account without a balance', pot, total) from sums
where pot like '%:%' and total <> 0
  and not exists (select from balances where pot like '%:' || account_id)
"""

# What ends with the month: entries say what part of them it was, and the balance has what is left of it.
_MONTHS = """
with sums as (
    select account_id, sum(case when kind in ('grant', 'release') then expiring_ms
                                when kind = 'settle' then 0 else -expiring_ms end) as total
    from ledger group by account_id
)
select format('account %s: %s end with its month, the book says %s', b.account_id, b.expiring_ms,
              coalesce(sums.total, 0))
from balances b left join sums on sums.account_id = b.account_id
where b.expiring_ms <> coalesce(sums.total, 0)
union all
select format('entry %s: %s of %s end with a month', id, expiring_ms, amount_ms) from ledger
where expiring_ms not between 0 and amount_ms or (kind = 'expire' and expiring_ms <> amount_ms)
"""

_JOBS = """
with money as (
    select job_id,
        sum(amount_ms) filter (where kind = 'hold') as held,
        sum(amount_ms) filter (where kind = 'settle') as settled,
        sum(amount_ms) filter (where kind = 'release') as released,
        sum(case when kind = 'hold' then expiring_ms else -expiring_ms end) as expiring
    from ledger where job_id is not null group by job_id
)
select format('job %s (%s, charged %s): held %s, settled %s, released %s', j.id, j.state,
              j.charged_ms, m.held, m.settled, m.released)
from jobs j left join money m on m.job_id = j.id
where m.held is null
   or (j.finished_at is null and (m.settled is not null or m.released is not null))
   or (j.finished_at is not null and m.held <> coalesce(m.settled, 0) + coalesce(m.released, 0))
   or (j.finished_at is not null and j.charged_ms <> coalesce(m.settled, 0))
   or (j.state = 'succeeded') <> (m.settled is not null)
   or (j.finished_at is not null and m.expiring <> 0)
"""
