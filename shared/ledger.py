"""Credit in GPU-milliseconds: an append-only double-entry book, and the balances it adds up to.

Money moves between `issued`, `available:<account>`, `held:<account>` and `spent`. A repeat of any
function here is harmless: each entry has a key of its own, and a second one with that key is not made.
A part of what is available may end with its month (`shared.allowances`); `shared.postings` says how jobs
take of it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import postings
from shared.connections import Session
from shared.errors import Fault, Refusal
from shared.ledgerchecks import audit_sums as audit_sums
from shared.tables import balances, ledger

ISSUED = "issued"


class Paid(Protocol):
    """A job, as far as money is concerned."""

    @property
    def id(self) -> UUID: ...
    @property
    def account_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Balance:
    """`expiring_ms` is the part of what is available that ends at `expires_at`; the rest never does."""

    available_ms: int
    held_ms: int
    expiring_ms: int = field(default=0, compare=False)
    expires_at: datetime | None = field(default=None, compare=False)

    @property
    def lasting_ms(self) -> int:
        return self.available_ms - self.expiring_ms


async def grant(
    session: Session, account_id: UUID, amount_ms: int, *, key: str, note: str | None = None
) -> bool:
    """Once for each key, and it never ends. False when it was granted before."""
    made = await enter(session, account_id, "grant", amount_ms, key=key, note=note)
    if made:
        await _move(session, account_id, amount_ms)
    return made


async def granted(session: Session, key: str) -> int:
    """What the grant of this key was; 0 when there was none."""
    query = select(ledger.c.amount_ms).where(ledger.c.entry_key == key, ledger.c.kind == "grant")
    return (await session.execute(query)).scalar_one_or_none() or 0


async def revoke(
    session: Session, account_id: UUID, amount_ms: int, *, key: str, note: str | None = None
) -> bool:
    """A grant taken back, once for each key: of what never ends first, then of the month's. Refusal
    `too_much` when less than that is available."""
    left = await balance(session, account_id, lock=True)
    expiring_ms = max(0, amount_ms - left.lasting_ms)
    made = await enter(
        session, account_id, "revoke", amount_ms, expiring_ms=expiring_ms, key=key, note=note
    )
    if made and amount_ms > left.available_ms:
        sentence = f"Only {gpu_time(left.available_ms)} of GPU time is left to take away."
        raise Refusal("too_much", sentence, field="minutes")
    if made:
        await _move(session, account_id, -amount_ms, expiring_ms=-expiring_ms)
    return made


async def hold(
    session: Session, account_id: UUID, job_id: UUID, amount_ms: int, *, hint: str = ""
) -> None:
    """Refusal `no_credit` when less than that is available; `hint` says what else could be done."""
    told = {"account_id": account_id, "job_id": job_id, "amount_ms": amount_ms}
    moved, entered = (await session.execute(postings.HOLD, told)).one()
    if not moved:
        raise no_credit(amount_ms, (await balance(session, account_id)).available_ms, hint=hint)
    if not entered:
        raise Fault("held_twice", f"Job {job_id} has its hold already.")


async def settle(session: Session, job: Paid, charged_ms: int) -> None:
    """The charge is spent and the rest of the hold released."""
    told = {"account_id": job.account_id, "job_id": job.id, "charged_ms": charged_ms}
    held_ms: int | None = (await session.execute(postings.SETTLE, told)).scalar_one_or_none()
    if held_ms is None:
        raise _no_hold(job.id)
    if charged_ms > held_ms:
        raise Fault("charge_above_hold", f"Job {job.id} costs {charged_ms} ms; {held_ms} are held.")


async def release(session: Session, job: Paid) -> None:
    """All of the hold goes back: the job failed, was blocked or cancelled."""
    await _held(session, job.id, lock=True)
    if not await _exists(session, job.id, "settle"):
        told = {"account_id": job.account_id, "job_id": job.id}
        await session.execute(postings.RELEASE, told)


async def held(session: Session, job_id: UUID) -> int:
    """What was held for this job when it was accepted: the most it may cost."""
    return await _held(session, job_id)


async def balance(session: Session, account_id: UUID, *, lock: bool = False) -> Balance:
    """`lock` puts everything that spends of this account in a row until the transaction ends."""
    query = _BALANCE_LOCKED if lock else _BALANCE
    row = (await session.execute(query, {"of": account_id})).one_or_none()
    if row is None:
        return Balance(0, 0)
    return Balance(row.available_ms, row.held_ms, row.expiring_ms, row.expires_at)


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


async def enter(
    session: Session,
    account_id: UUID,
    kind: str,
    amount_ms: int,
    *,
    key: str,
    expiring_ms: int = 0,
    note: str | None = None,
) -> bool:
    """One entry that is about no job, once for each key; the balance is the caller's to move."""
    debit, credit = _sides(kind, account_id)
    statement = insert_row(ledger).values(
        account_id=account_id,
        kind=kind,
        debit=debit,
        credit=credit,
        amount_ms=amount_ms,
        expiring_ms=expiring_ms,
        entry_key=key,
        note=note,
    )
    made = statement.on_conflict_do_nothing(index_elements=["entry_key"]).returning(ledger.c.id)
    return (await session.execute(made)).one_or_none() is not None


def _sides(kind: str, account_id: UUID) -> tuple[str, str]:
    available = f"available:{account_id}"
    return (ISSUED, available) if kind == "grant" else (available, ISSUED)


async def _move(
    session: Session, account_id: UUID, available_ms: int, *, expiring_ms: int = 0
) -> None:
    await session.execute(
        update(balances)
        .where(balances.c.account_id == account_id)
        .values(
            available_ms=balances.c.available_ms + available_ms,
            expiring_ms=balances.c.expiring_ms + expiring_ms,
        )
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
