"""What the rows of a finished run must say, asked in SQL of the tests' own: no query of the product."""

from sqlalchemy import text

from shared.connections import Session

# An account's pots may never have been below nothing, in the order in which the entries were made.
NEGATIVE_MOMENTS = """
with moved as (
    select id, credit as pot, amount_ms from ledger where credit like '%:%'
    union all
    select id, debit, -amount_ms from ledger where debit like '%:%'
), running as (
    select pot, sum(amount_ms) over (partition by pot order by id) as left_ms from moved
)
select format('%s fell to %s', pot, min(left_ms)) from running where left_ms < 0 group by pot
"""
ACCOUNTS_OUT_OF_LINE = """
with moved as (
    select credit as pot, amount_ms from ledger union all select debit, -amount_ms from ledger
)
select format('account %s: (%s, %s) cached', account_id, available_ms, held_ms) from balances b
where available_ms < 0 or held_ms < 0
   or available_ms <> (select coalesce(sum(amount_ms), 0) from moved
                       where pot = 'available:' || b.account_id)
   or held_ms <> (select coalesce(sum(amount_ms), 0) from moved where pot = 'held:' || b.account_id)
"""
# One hold; then one settle that (with the release of the rest) takes all of it, or one release of all.
JOBS_PAID_WRONG = """
with paid as (
    select j.id, j.state, j.charged_ms, j.finished_at is not null as ended,
        count(*) filter (where l.kind = 'hold') as holds,
        count(*) filter (where l.kind = 'settle') as settles,
        count(*) filter (where l.kind = 'release') as releases,
        coalesce(sum(l.amount_ms) filter (where l.kind = 'hold'), 0) as held,
        coalesce(sum(l.amount_ms) filter (where l.kind = 'settle'), 0) as settled,
        coalesce(sum(l.amount_ms) filter (where l.kind <> 'hold'), 0) as taken
    from jobs j left join ledger l on l.job_id = j.id group by j.id
)
select format('job %s (%s): %s holds, %s settles, %s releases', id, state, holds, settles, releases)
from paid
where holds <> 1
   or settles <> (state = 'succeeded')::int
   or (settles = 0 and releases <> ended::int)
   or (ended and (taken <> held or settled <> charged_ms))
   or (not ended and taken <> 0)
"""
# The log tells every move, in order, and nothing came after an end.
STORIES_BROKEN = """
with told as (
    select id, job_id, source, target,
        lag(target) over (partition by job_id order by id) as before,
        lead(target) over (partition by job_id order by id) as after
    from transitions
)
select format('job %s: %s -> %s after %s', job_id, source, target, before) from told
where source is distinct from before or (before is null and target <> 'waiting')
   or target not in ('waiting', 'dispatched', 'running', 'succeeded', 'failed', 'blocked', 'cancelled')
   or (after is not null and target in ('succeeded', 'failed', 'blocked', 'cancelled'))
union all
select format('job %s is %s, and the log ends otherwise', j.id, j.state) from jobs j
where j.state is distinct from (select target from told where job_id = j.id and after is null)
"""
# Whoever moved an attempt on is the one to whom it was sent.
STRANGERS = """
select format('job %s: %s moved attempt %s, which was not its own', m.job_id, m.worker, m.attempt)
from transitions m
join transitions sent on sent.job_id = m.job_id and sent.attempt = m.attempt
    and sent.target = 'dispatched'
where m.source in ('dispatched', 'running') and m.worker <> sent.worker
union all
select format('%s is no file of attempt %s', a.key, j.attempt) from assets a join jobs j on j.id = a.job_id
where a.key not like format('%s/%s/%%', j.id, j.attempt)
union all
select format('verdict %s on job %s is of attempt %s', v.id, j.id, v.attempt)
from verdicts v join jobs j on j.id = v.job_id where v.attempt <> j.attempt
"""
WRONGS = (NEGATIVE_MOMENTS, ACCOUNTS_OUT_OF_LINE, JOBS_PAID_WRONG, STORIES_BROKEN, STRANGERS)


async def wrongs(session: Session) -> list[str]:
    """Every sentence that should not be true. Empty: money and jobs are as promised."""
    found: list[str] = []
    for question in WRONGS:
        found += (await session.execute(text(question))).scalars()
    return found
