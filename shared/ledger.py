"""Credit in GPU-milliseconds: an append-only double-entry book, and the balances it adds up to.

Money moves between `issued`, `available:<account>`, `held:<account>` and `spent`. A repeat of any
function here is harmless: each entry has a key of its own, and a second one with that key is not made.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.errors import Fault, Refusal
from shared.tables import balances, ledger

ISSUED, SPENT = "issued", "spent"


class Paid(Protocol):
    """A job, as far as money is concerned."""

    @property
    def id(self) -> UUID: ...
    @property
    def account_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Balance:
    available_ms: int
    held_ms: int


async def grant(
    session: Session, account_id: UUID, amount_ms: int, *, key: str, note: str | None = None
) -> bool:
    """Once for each key. False when it was granted before."""
    made = await _enter(session, account_id, "grant", amount_ms, job_id=None, key=key, note=note)
    if made:
        await _move(session, account_id, available=amount_ms, held=0)
    return made


async def revoke(
    session: Session, account_id: UUID, amount_ms: int, *, key: str, note: str | None = None
) -> bool:
    """A grant taken back, once for each key. Refusal `too_much` when less than that is available."""
    available_ms = (await balance(session, account_id, lock=True)).available_ms
    made = await _enter(session, account_id, "revoke", amount_ms, job_id=None, key=key, note=note)
    if made and amount_ms > available_ms:
        sentence = f"Only {gpu_time(available_ms)} of GPU time is left to take away."
        raise Refusal("too_much", sentence, field="minutes")
    if made:
        await _move(session, account_id, available=-amount_ms, held=0)
    return made


async def hold(
    session: Session, account_id: UUID, job_id: UUID, amount_ms: int, *, hint: str = ""
) -> None:
    """Refusal `no_credit` when less than that is available; `hint` says what else could be done."""
    told = {"account_id": account_id, "job_id": job_id, "amount_ms": amount_ms}
    moved, entered = (await session.execute(_HOLD, told)).one()
    if not moved:
        raise no_credit(amount_ms, (await balance(session, account_id)).available_ms, hint=hint)
    if not entered:
        raise Fault("held_twice", f"Job {job_id} has its hold already.")


async def settle(session: Session, job: Paid, charged_ms: int) -> None:
    """The charge is spent and the rest of the hold released."""
    told = {"account_id": job.account_id, "job_id": job.id, "charged_ms": charged_ms}
    held_ms: int | None = (await session.execute(_SETTLE, told)).scalar_one_or_none()
    if held_ms is None:
        raise _no_hold(job.id)
    if charged_ms > held_ms:
        raise Fault("charge_above_hold", f"Job {job.id} costs {charged_ms} ms; {held_ms} are held.")


async def release(session: Session, job: Paid) -> None:
    """All of the hold goes back: the job failed, was blocked or cancelled."""
    held_ms = await _held(session, job.id, lock=True)
    if not await _exists(session, job.id, "settle"):
        await _release(session, job, held_ms)


async def held(session: Session, job_id: UUID) -> int:
    """What was held for this job when it was accepted: the most it may cost."""
    return await _held(session, job_id)


async def balance(session: Session, account_id: UUID, *, lock: bool = False) -> Balance:
    """`lock` puts everything that spends of this account in a row until the transaction ends."""
    query = _BALANCE_LOCKED if lock else _BALANCE
    row = (await session.execute(query, {"of": account_id})).one_or_none()
    return Balance(0, 0) if row is None else Balance(row.available_ms, row.held_ms)


async def audit_sums(session: Session) -> list[str]:
    """Every mismatch between the book, the balances and the jobs. Empty: the books balance."""
    found: list[str] = []
    for check in (_BALANCES, _JOBS):
        found += (await session.execute(text(check))).scalars()
    return found


def no_credit(price_ms: int, available_ms: int, *, hint: str = "") -> Refusal:
    sentence = (
        f"This costs {gpu_time(price_ms)} of GPU time and you have {gpu_time(available_ms)} left."
    )
    return Refusal("no_credit", f"{sentence} {hint}".strip(), field="speed")


def gpu_time(milliseconds: int) -> str:
    """For a person: `0.4 s`, `12 s`, `3.5 min`, `15 h`."""
    seconds = milliseconds / 1000
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


async def _held(session: Session, job_id: UUID, *, lock: bool = False) -> int:
    """`lock` puts the ends of one job in a row: the first takes the hold, the others find it taken."""
    found = await session.execute(_HELD_LOCKED if lock else _HELD, {"of": job_id})
    amount: int | None = found.scalar_one_or_none()
    if amount is None:
        raise _no_hold(job_id)
    return amount


def _no_hold(job_id: UUID) -> Fault:
    return Fault("no_hold", f"Job {job_id} has no hold.")


async def _release(session: Session, job: Paid, amount_ms: int) -> None:
    if await _enter(session, job.account_id, "release", amount_ms, job_id=job.id):
        await _move(session, job.account_id, available=amount_ms, held=-amount_ms)


async def _enter(
    session: Session,
    account_id: UUID,
    kind: str,
    amount_ms: int,
    *,
    job_id: UUID | None,
    key: str | None = None,
    note: str | None = None,
) -> bool:
    debit, credit = _sides(kind, account_id)
    statement = insert_row(ledger).values(
        account_id=account_id,
        job_id=job_id,
        kind=kind,
        debit=debit,
        credit=credit,
        amount_ms=amount_ms,
        entry_key=key or f"{kind}:{job_id}",
        note=note,
    )
    made = statement.on_conflict_do_nothing(index_elements=["entry_key"]).returning(ledger.c.id)
    return (await session.execute(made)).one_or_none() is not None


def _sides(kind: str, account_id: UUID) -> tuple[str, str]:
    available, held = f"available:{account_id}", f"held:{account_id}"
    sides = {
        "grant": (ISSUED, available),
        "revoke": (available, ISSUED),
        "hold": (available, held),
        "settle": (held, SPENT),
        "release": (held, available),
    }
    return sides[kind]


async def _move(session: Session, account_id: UUID, *, available: int, held: int) -> None:
    await session.execute(
        update(balances)
        .where(balances.c.account_id == account_id)
        .values(available_ms=balances.c.available_ms + available, held_ms=balances.c.held_ms + held)
    )


async def _exists(session: Session, job_id: UUID, kind: str) -> bool:
    query = select(func.count()).where(ledger.c.job_id == job_id, ledger.c.kind == kind)
    return bool((await session.execute(query)).scalar_one())


# What runs for every job is built once, and asks one round trip.
_BALANCE = select(balances).where(balances.c.account_id == bindparam("of"))
_BALANCE_LOCKED = _BALANCE.with_for_update()
_HELD = select(ledger.c.amount_ms).where(
    ledger.c.job_id == bindparam("of"), ledger.c.kind == "hold"
)
_HELD_LOCKED = _HELD.with_for_update()

_HOLD = text("""
with moved as (
    update balances set available_ms = available_ms - :amount_ms, held_ms = held_ms + :amount_ms
    where account_id = :account_id and available_ms >= :amount_ms
    returning account_id
), entered as (
    insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
    select account_id, :job_id, 'hold', 'available:' || account_id, 'held:' || account_id, :amount_ms,
        'hold:' || :job_id
    from moved on conflict (entry_key) do nothing returning id
)
select exists (select from moved), exists (select from entered)
""").bindparams(
    bindparam("account_id", type_=Uuid()),
    bindparam("job_id", type_=Uuid()),
    bindparam("amount_ms", type_=BigInteger()),
)

# The lock on the hold puts the ends of one job in a row, as in `release`.
_SETTLE = text("""
with hold as materialized (
    select amount_ms from ledger where job_id = :job_id and kind = 'hold' for update
), spent as (
    insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
    select :account_id, :job_id, 'settle', 'held:' || :account_id, 'spent', :charged_ms,
        'settle:' || :job_id
    from hold where amount_ms >= :charged_ms
    on conflict (entry_key) do nothing returning amount_ms
), released as (
    insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
    select :account_id, :job_id, 'release', 'held:' || :account_id, 'available:' || :account_id,
        hold.amount_ms - :charged_ms, 'release:' || :job_id
    from hold, spent where hold.amount_ms > :charged_ms
    on conflict (entry_key) do nothing returning amount_ms
), moved as (
    update balances set
        held_ms = held_ms - :charged_ms - coalesce((select amount_ms from released), 0),
        available_ms = available_ms + coalesce((select amount_ms from released), 0)
    from spent where account_id = :account_id
)
select amount_ms from hold
""").bindparams(
    bindparam("account_id", type_=Uuid()),
    bindparam("job_id", type_=Uuid()),
    bindparam("charged_ms", type_=BigInteger()),
)

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

_JOBS = """
with money as (
    select job_id,
        sum(amount_ms) filter (where kind = 'hold') as held,
        sum(amount_ms) filter (where kind = 'settle') as settled,
        sum(amount_ms) filter (where kind = 'release') as released
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
"""
