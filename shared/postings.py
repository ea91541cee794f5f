"""The statements that move a job's money, each one round trip: hold, settle, release.

A hold takes from what ends with the month first, and its entry says how much that was. A charge takes that
part first too. What goes back goes where it came from; if that month is over meanwhile, that part is gone
with it and goes back to `issued`: the account has had its next month's.
"""

from sqlalchemy import BigInteger, Uuid, bindparam, text

_ACCOUNT = bindparam("account_id", type_=Uuid())
_JOB = bindparam("job_id", type_=Uuid())

# Nothing of a month that is over can be held, whether or not it was turned yet.
HOLD = text("""
with before as materialized (
    select available_ms, expiring_ms,
        case when expires_at <= clock_timestamp() then 0 else expiring_ms end as running_ms
    from balances where account_id = :account_id for update
), moved as (
    update balances b set available_ms = b.available_ms - :amount_ms,
        held_ms = b.held_ms + :amount_ms,
        expiring_ms = b.expiring_ms - least(before.running_ms, :amount_ms)
    from before where b.account_id = :account_id
        and before.available_ms - before.expiring_ms + before.running_ms >= :amount_ms
    returning least(before.running_ms, :amount_ms) as expiring_ms
), entered as (
    insert into ledger
        (account_id, job_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select :account_id, :job_id, 'hold', 'available:' || :account_id, 'held:' || :account_id,
        :amount_ms, expiring_ms, 'hold:' || :job_id
    from moved on conflict (entry_key) do nothing returning id
)
select exists (select from moved), exists (select from entered)
""").bindparams(_ACCOUNT, _JOB, bindparam("amount_ms", type_=BigInteger()))

# A month that began after the hold was made: what the hold took of the month before is over with it.
_BACK = """
moved as (
    update balances b set
        held_ms = b.held_ms - rest.spent_ms - rest.amount_ms,
        available_ms = b.available_ms + rest.amount_ms
            - case when b.month_since > rest.at then rest.expiring_ms else 0 end,
        expiring_ms = b.expiring_ms
            + case when b.month_since > rest.at then 0 else rest.expiring_ms end
    from rest where b.account_id = :account_id
    returning case when b.month_since > rest.at then rest.expiring_ms else 0 end as expired_ms
), expired as (
    insert into ledger (account_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select :account_id, 'expire', 'available:' || :account_id, 'issued', expired_ms, expired_ms,
        'expire:' || :job_id
    from moved where expired_ms > 0
)
"""

# The lock on the hold puts the ends of one job in a row, as in a release.
_SPEND = """
with hold as materialized (
    select amount_ms, expiring_ms, at from ledger where job_id = :job_id and kind = 'hold' for update
), spent as (
    insert into ledger
        (account_id, job_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select :account_id, :job_id, 'settle', 'held:' || :account_id, 'spent', :charged_ms,
        least(expiring_ms, :charged_ms), 'settle:' || :job_id
    from hold where amount_ms >= :charged_ms
    on conflict (entry_key) do nothing returning amount_ms, expiring_ms
), rest as (
    select spent.amount_ms as spent_ms, hold.amount_ms - spent.amount_ms as amount_ms,
        hold.expiring_ms - spent.expiring_ms as expiring_ms, hold.at
    from hold, spent
), released as (
    insert into ledger
        (account_id, job_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select :account_id, :job_id, 'release', 'held:' || :account_id, 'available:' || :account_id,
        amount_ms, expiring_ms, 'release:' || :job_id
    from rest where amount_ms > 0
),
"""
SETTLE = text("".join((_SPEND, _BACK, "select amount_ms from hold"))).bindparams(
    _ACCOUNT, _JOB, bindparam("charged_ms", type_=BigInteger())
)

# After the hold was locked and no settle was found: by a statement of its own, which sees what came before.
_GIVE_BACK = """
with released as (
    insert into ledger
        (account_id, job_id, kind, debit, credit, amount_ms, expiring_ms, entry_key)
    select account_id, job_id, 'release', credit, debit, amount_ms, expiring_ms,
        'release:' || :job_id
    from ledger where job_id = :job_id and kind = 'hold'
    on conflict (entry_key) do nothing returning amount_ms, expiring_ms
), rest as (
    select 0 as spent_ms, released.amount_ms, released.expiring_ms, hold.at
    from released, ledger hold where hold.job_id = :job_id and hold.kind = 'hold'
),
"""
RELEASE = text("".join((_GIVE_BACK, _BACK, "select count(*) from moved"))).bindparams(
    _ACCOUNT, _JOB
)
