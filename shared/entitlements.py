"""What Discord sold: one row for each entitlement, credited once however often it is told.

Events come late, twice, out of order or never. So each telling is taken whole, in one transaction that holds
the row's lock, and the ledger's key would refuse a second credit even then.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import accounts, ledger, plangrants
from shared.connections import Session
from shared.moderation.audit import audit
from shared.planbooks import PlanBook, Sku
from shared.plangrants import Source
from shared.tradetables import entitlements

log = logging.getLogger(__name__)

ACTOR = "discord"
SOMEBODY = "Somebody"  # who bought before they ever spoke to us; their next command says their name


class Outcome(StrEnum):
    CREDITED = "credited"
    KNOWN = "known"  # nothing but what was done before
    UNKNOWN = "unknown"  # a SKU that the plans file has not
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Told:
    """An entitlement as Discord tells it. Ids are snowflakes as text. `test` brings no money."""

    id: str
    sku_id: str
    user_id: str | None
    guild_id: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    consumed: bool = False
    deleted: bool = False
    test: bool = False


async def take(session: Session, told: Told, book: PlanBook) -> Outcome:
    row = await _written(session, told)
    sku = book.skus.get(told.sku_id)
    if told.deleted or row.gone_at is not None:
        return await _lose(session, row)
    if sku is None:
        return Outcome.UNKNOWN
    account_id = row.account_id or await _owner(session, row, book)
    if sku.consumable:
        new = row.credited_at is None and not told.consumed
        credited = new and await _top_up(session, row, account_id, sku)
    else:
        credited = await _give_plan(session, told, account_id, sku)
    values = {"account_id": account_id}
    if credited:
        values["credited_at"] = func.clock_timestamp()
    if told.consumed and row.credited_at is not None and row.consumed_at is None:
        values["consumed_at"] = func.clock_timestamp()
    await _write(session, told.id, values)
    return Outcome.CREDITED if credited else Outcome.KNOWN


async def lose(session: Session, id: str) -> Outcome:
    """Discord does not know it any more."""
    query = select(entitlements).where(entitlements.c.id == id).with_for_update()
    row = (await session.execute(query)).one_or_none()
    return Outcome.KNOWN if row is None else await _lose(session, row)


async def to_consume(session: Session, book: PlanBook) -> Sequence[str]:
    """Credited, and Discord was not told yet: until it is, nobody can buy another."""
    skus = [sku.id for sku in book.skus.values() if sku.consumable]
    query = select(entitlements.c.id).where(
        entitlements.c.sku_id.in_(skus),
        entitlements.c.credited_at.is_not(None),
        entitlements.c.consumed_at.is_(None),
        entitlements.c.gone_at.is_(None),
    )
    return list((await session.execute(query.order_by(entitlements.c.id))).scalars())


async def consumed(session: Session, id: str) -> None:
    await _write(session, id, {"consumed_at": func.clock_timestamp()})


async def unlisted(session: Session, listed: Collection[str]) -> Sequence[str]:
    """What we hold for good and Discord's whole list has not. A top-up that was consumed may leave it."""
    query = select(entitlements.c.id).where(
        entitlements.c.gone_at.is_(None),
        entitlements.c.consumed_at.is_(None),
        or_(entitlements.c.ends_at.is_(None), entitlements.c.ends_at > func.clock_timestamp()),
        entitlements.c.id.not_in(list(listed)),
    )
    return list((await session.execute(query)).scalars())


def _key(id: str) -> str:
    return f"{Source.ENTITLEMENT}:{id}"


async def _written(session: Session, told: Told) -> Any:
    """The row, locked: all tellings of one entitlement stand in a line from here on. Who bought it is
    written once, so that nobody who was erased comes back with the next list."""
    values = {
        "id": told.id,
        "user_id": told.user_id,
        "guild_id": told.guild_id,
        "sku_id": told.sku_id,
        "test": told.test,
        "starts_at": told.starts_at,
        "ends_at": told.ends_at,
    }
    statement = insert_row(entitlements).values(values)
    fresh = {"starts_at": told.starts_at, "ends_at": told.ends_at}
    statement = statement.on_conflict_do_update(
        index_elements=["id"], set_=fresh | {"seen_at": func.clock_timestamp()}
    )
    return (await session.execute(statement.returning(entitlements))).one()


async def _owner(session: Session, row: Any, book: PlanBook) -> UUID | None:
    if row.user_id is None:
        return None
    known = await accounts.by_discord(session, row.user_id)
    if known is None:
        known = await accounts.ensure(session, row.user_id, SOMEBODY, plan=book.first, book=book)
    return known.id


async def _give_plan(session: Session, told: Told, account_id: UUID | None, sku: Sku) -> bool:
    """A server's plan is nobody's own: Discord names it in each of that server's interactions."""
    if account_id is None or told.guild_id is not None:
        return False
    assert sku.plan is not None, "what is not consumable is a plan"
    source, key = Source.ENTITLEMENT, _key(told.id)
    since, until = told.starts_at, told.ends_at
    return await plangrants.put(
        session, account_id, sku.plan, source, key, since=since, until=until
    )


async def _top_up(session: Session, row: Any, account_id: UUID | None, sku: Sku) -> bool:
    if account_id is None:
        return False
    note = f"{sku.title}{' (test)' if row.test else ''}"
    return await ledger.grant(session, account_id, sku.top_up_ms, key=_key(row.id), note=note)


async def _lose(session: Session, row: Any) -> Outcome:
    """A plan ends; of a top-up what is left is taken back, and the rest is written down."""
    if row.gone_at is not None:
        return Outcome.KNOWN
    await _write(session, row.id, {"gone_at": func.clock_timestamp()})
    await plangrants.end(session, _key(row.id))
    if row.account_id is not None:
        await _take_back(session, row.account_id, row.id)
    return Outcome.GONE


async def _take_back(session: Session, account_id: UUID, id: str) -> None:
    given = await ledger.granted(session, _key(id))
    if not given:
        return
    left = await ledger.balance(session, account_id, lock=True)
    back = min(given, left.lasting_ms)
    if back:
        note = "refunded by Discord"
        await ledger.revoke(session, account_id, back, key=f"refunded:{id}", note=note)
    if back < given:
        told = {"given_ms": given, "spent_ms": given - back, "account": str(account_id)}
        await audit(session, ACTOR, "refund_short", f"entitlement:{id}", told)


async def _write(session: Session, id: str, values: dict[str, Any]) -> None:
    await session.execute(update(entitlements).where(entitlements.c.id == id).values(values))
