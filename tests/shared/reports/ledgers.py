"""Books of many jobs, made in the database itself: seeded, so that the same seed gives the same books.

Triggers sleep meanwhile (a job is born finished here); every check constraint is awake.
"""

from datetime import datetime

from sqlalchemy import text

from shared.connections import Session


async def fill(
    session: Session, *, jobs: int, accounts: int, since: datetime, days: int, seed: int = 1
) -> None:
    """Every job has ended, and was charged what was measured. Three entries a job, and the grants."""
    told = {"jobs": jobs, "accounts": accounts, "since": since, "days": days}
    await session.execute(text("set local session_replication_role = replica"))
    await session.execute(text("select setseed(:seed)"), {"seed": seed / 1000})
    for statement in (_ACCOUNTS, _JOBS, _GRANTS, _HOLDS, _SETTLES, _RELEASES, _BALANCES):
        names = {name: value for name, value in told.items() if f":{name}" in statement}
        await session.execute(text(statement), names)
    await session.execute(text("set local session_replication_role = origin"))


_ACCOUNTS = """
insert into accounts (discord_id, name) select n::text, 'person ' || n
from generate_series(1, cast(:accounts as int)) n
"""
_JOBS = """
with drawn as (
    select n, random() as who, random() as ended, random() as fast, random() as model, random() as place,
        floor(1000 + 59000 * random())::bigint as estimate_ms, 0.3 + 0.8 * random() as share,
        cast(:since as timestamptz) + random() * cast(:days as int) * interval '1 day' as at
    from generate_series(1, cast(:jobs as int)) n
), numbered as (
    select row_number() over (order by id) as n, id from accounts
), shaped as (
    select *, (array['succeeded','succeeded','succeeded','failed','blocked','cancelled'])
            [1 + floor(ended * 6)::int] as state,
        (array['turbo','fast','fast','relax'])[1 + floor(fast * 4)::int] as speed
    from drawn
)
insert into jobs (account_id, plan, kind, state, speed, prompt, spec, spec_sha256, submission_key,
    estimate_ms, guild_id, submitted_at, finished_at, gpu_ms, charged_ms, passed_verdict,
    error_sentence, attempt, price)
select numbered.id, (array['free','paid','pro'])[1 + shaped.n % 3], 'imagine', state, speed, 'x',
    jsonb_build_object('checkpoint', (array['postcards','sdxl','flux'])[1 + floor(model * 3)::int],
        'images', 4, 'texts', jsonb_build_array(jsonb_build_object('text', repeat('word ', 40)))),
    '', 'key-' || shaped.n, estimate_ms,
    (array['100','200',null])[1 + floor(place * 3)::int], at, at,
    case when state = 'cancelled' then null else floor(estimate_ms * share)::bigint end,
    case when state = 'succeeded' then least(
        ceil(floor(estimate_ms * share) * price), ceil(estimate_ms * price))::bigint else 0 end,
    case when state = 'succeeded' then shaped.n end,
    case when state in ('failed', 'blocked') then 'why' end, 1,
    case when shaped.n % 2 = 0 then price end  -- the others are of the time before prices were kept
from shaped
join numbered on numbered.n = 1 + floor(who * cast(:accounts as int))::int
cross join lateral (select case speed when 'turbo' then 2 when 'fast' then 1 else 0 end as price) as p
"""
_GRANTS = """
insert into ledger (account_id, kind, debit, credit, amount_ms, expiring_ms, entry_key, at)
select a.id, kind, case kind when 'grant' then 'issued' else 'available:' || a.id end,
    case kind when 'grant' then 'available:' || a.id else 'issued' end,
    amount_ms, expiring_ms, kind || ':' || a.id, cast(:since as timestamptz) + a.n * interval '1 minute'
from (select id, row_number() over (order by id) as n from accounts) a
cross join (values ('grant', 10000000000, 2000), ('revoke', 1000, 0), ('expire', 2000, 2000))
    as e (kind, amount_ms, expiring_ms)
"""
_HOLDS = """
insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key, at)
select account_id, id, 'hold', 'available:' || account_id, 'held:' || account_id,
    estimate_ms * case speed when 'turbo' then 2 when 'fast' then 1 else 0 end, 'hold:' || id,
    submitted_at
from jobs
"""
_SETTLES = """
insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key, at)
select account_id, id, 'settle', 'held:' || account_id, 'spent', charged_ms, 'settle:' || id, finished_at
from jobs where state = 'succeeded'
"""
_RELEASES = """
insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key, at)
select j.account_id, j.id, 'release', 'held:' || j.account_id, 'available:' || j.account_id,
    h.amount_ms - j.charged_ms, 'release:' || j.id, j.finished_at
from jobs j join ledger h on h.job_id = j.id and h.kind = 'hold'
where j.state <> 'succeeded' or h.amount_ms > j.charged_ms
"""
_BALANCES = """
insert into balances (account_id, available_ms, held_ms)
select account_id, sum(case when credit like 'available:%' then amount_ms
    when debit like 'available:%' then -amount_ms else 0 end),
    sum(case when credit like 'held:%' then amount_ms when debit like 'held:%' then -amount_ms else 0 end)
from ledger group by account_id
"""
