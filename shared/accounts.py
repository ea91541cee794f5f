"""Accounts: who somebody is, how they stand, and the plan in force."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import Uuid, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import ledger
from shared.connections import Session
from shared.moderation import bans, pseudonyms
from shared.plans import Plan, PlanBook, Speed
from shared.tables import accounts, balances, plans_in_force


class Standing(StrEnum):
    GOOD = "good"
    SUSPENDED = "suspended"
    BANNED = "banned"


@dataclass(frozen=True, slots=True)
class Account:
    id: UUID
    discord_id: str
    name: str
    standing: Standing
    plan: str
    default_speed: Speed | None


async def ensure(
    session: Session,
    discord_id: str,
    name: str,
    *,
    plan: str,
    book: PlanBook,
    pepper: SecretStr | None = None,
) -> Account:
    """The account of this person, made on first sight, with this plan in force and granted once.

    With the `pepper`, somebody who is banned and had themselves deleted is known again.
    """
    wanted = book.plan(plan)
    found = await by_discord(session, discord_id)
    if found is not None and (found.name, found.plan) == (name, wanted.name):
        return found
    account_id = await _named(session, discord_id, name)
    if found is None and pepper is not None:
        await bans.follow(session, pseudonyms.mark_of(discord_id, pepper), account_id)
    await _put_in_force(session, account_id, wanted)
    return await _known(session, account_id)


async def by_discord(session: Session, discord_id: str) -> Account | None:
    return _account((await session.execute(_BY_DISCORD, {"of": discord_id})).one_or_none())


async def by_id(session: Session, account_id: UUID) -> Account | None:
    return _account((await session.execute(_BY_ID, {"of": account_id})).one_or_none())


async def locked(session: Session, account_id: UUID) -> tuple[Standing | None, ledger.Balance]:
    """How it stands (None: it was erased) and what it has, until the transaction ends: its submissions
    stand in a row, and a ban that comes meanwhile waits, and then finds what was accepted."""
    row = (await session.execute(_LOCKED, {"of": account_id})).one()
    erased = pseudonyms.is_pseudonym(row.discord_id)
    balance = ledger.Balance(row.available_ms, row.held_ms)
    return None if erased else Standing(row.standing), balance


async def set_default_speed(session: Session, account_id: UUID, speed: Speed | None) -> Account:
    return await _change(session, account_id, default_speed=speed)


async def set_standing(session: Session, account_id: UUID, standing: Standing) -> Account:
    return await _change(session, account_id, standing=standing)


async def _named(session: Session, discord_id: str, name: str) -> UUID:
    """Its row is locked from here on, so two plans cannot be put in force at once."""
    statement = insert_row(accounts).values(discord_id=discord_id, name=name)
    statement = statement.on_conflict_do_update(index_elements=["discord_id"], set_={"name": name})
    found: UUID = (await session.execute(statement.returning(accounts.c.id))).scalar_one()
    await session.execute(insert_row(balances).values(account_id=found).on_conflict_do_nothing())
    return found


async def _put_in_force(session: Session, account_id: UUID, plan: Plan) -> None:
    still_open = (plans_in_force.c.account_id == account_id) & plans_in_force.c.until.is_(None)
    current = await session.execute(select(plans_in_force.c.plan).where(still_open))
    if current.scalar_one_or_none() == plan.name:
        return
    await session.execute(
        update(plans_in_force).where(still_open).values(until=func.clock_timestamp())
    )
    await session.execute(insert(plans_in_force).values(account_id=account_id, plan=plan.name))
    key = f"plan:{account_id}:{plan.name}"
    await ledger.grant(session, account_id, plan.grant_ms, key=key, note=f"{plan.title} plan")


async def _change(session: Session, account_id: UUID, **values: Any) -> Account:
    await session.execute(update(accounts).where(accounts.c.id == account_id).values(**values))
    return await _known(session, account_id)


async def _known(session: Session, account_id: UUID) -> Account:
    account = await by_id(session, account_id)
    assert account is not None
    return account


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    return Account(
        id=row.id,
        discord_id=row.discord_id,
        name=row.name,
        standing=Standing(row.standing),
        plan=row.plan,
        default_speed=None if row.default_speed is None else Speed(row.default_speed),
    )


_KNOWN = (
    select(accounts, plans_in_force.c.plan)
    .join_from(accounts, plans_in_force)
    .where(plans_in_force.c.until.is_(None))
)
# The account before its balance, as a ban takes them: so neither waits for the other for ever.
_LOCKED = text("""
select accounts.discord_id, accounts.standing, balances.available_ms, balances.held_ms
from accounts join balances on balances.account_id = accounts.id
where accounts.id = :of for share of accounts for update of balances
""").bindparams(bindparam("of", type_=Uuid()))
_BY_DISCORD = _KNOWN.where(accounts.c.discord_id == bindparam("of"))
_BY_ID = _KNOWN.where(accounts.c.id == bindparam("of"))
