"""What must agree and is written in more than one place: the questions that find where it does not."""

from datetime import timedelta

from sqlalchemy import func, select, text

from shared import ledger
from shared.connections import Session
from shared.reports import closings
from shared.reports.drift import drift
from shared.reports.spans import Span

DRIFT_DAYS = 62  # this month and the last, which may not be closed yet: what came before is sealed


async def mismatches(session: Session) -> dict[str, list[str]]:
    """By check, one line for each mismatch. All of one moment, if the session's transaction is."""
    found = {"money": await ledger.audit_sums(session), "drift": await _drift(session)}
    found["months"] = await closings.changed(session)
    for name, query in (("assets", _ASSETS), ("transitions", _TRANSITIONS), ("chains", _CHAINS)):
        found[name] = list((await session.execute(text(query))).scalars())
    return found


async def _drift(session: Session) -> list[str]:
    """What was settled lately and is not what was measured."""
    now = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    found = await drift(session, Span(now - timedelta(days=DRIFT_DAYS), now))
    if found.agrees or found.wrong:
        return list(found.wrong)
    return [f"all jobs: {found.settled_ms} ms settled, {found.measured_ms} ms measured"]


# A job delivers all that was ordered, or nothing.
_ASSETS = """
select format('job %s (%s): %s of %s images, %s grids', j.id, j.state, coalesce(a.images, 0),
              j.spec ->> 'images', coalesce(a.grids, 0))
from jobs j
left join (
    select job_id, count(*) filter (where kind = 'image') as images,
        count(*) filter (where kind = 'grid') as grids
    from assets group by job_id
) a on a.job_id = j.id
where (j.state = 'succeeded') <> (a.job_id is not null)
   or (j.state = 'succeeded'
       and (a.images <> (j.spec ->> 'images')::int or a.grids <> 1))
"""

# The last change that the trigger wrote is the state of the row. Jobs older than the trigger may have none.
_TRANSITIONS = """
select format('job %s is %s at attempt %s, its history ends %s at attempt %s', j.id, j.state,
              j.attempt, last.target, last.attempt)
from jobs j
join (select distinct on (job_id) * from transitions order by job_id, id desc) last
    on last.job_id = j.id
where (j.state, j.attempt) <> (last.target, last.attempt)
"""

# Each change begins where the one before has ended, and nothing comes after an end.
_CHAINS = """
select format('job %s moved from %s after it had become %s', job_id, source, before)
from (
    select job_id, source, lag(target) over (partition by job_id order by id) as before
    from transitions
) moves
where before is not null
  and (source is distinct from before
       or before in ('succeeded', 'failed', 'blocked', 'cancelled'))
"""
