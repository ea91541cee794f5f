"""Accounts: who somebody is, how they stand, and the plan in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import ARRAY, Text, Uuid, bindparam, cast, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import allowances, ledger, months
from shared.connections import Session
from shared.moderation import bans, pseudonyms
from shared.plans import Plan, PlanBook, Speed
from shared.tables import accounts, balances, plans_in_force
from shared.tradetables import plan_grants


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
    roles: Sequence[str] = (),
) -> Account:
    """The account of this person, made on first sight. In force is the weightiest of `plan`, which the
    door knows of, and what was given, bought or is being tried; its month is turned when that is due.

    With the `pepper`, somebody who is banned and had themselves deleted is known again. A role's own grant
    counts where the door names it.
    """
    row = (await session.execute(_BY_DISCORD, {"of": discord_id})).one_or_none()
    if row is None:
        row = await _met(session, discord_id, name, pepper)
    wanted = book.weightiest((plan, *row.given))
    terms = book.terms(wanted.name, roles=roles)
    if (row.name, row.plan) != (name, wanted.name):
        await _named(session, discord_id, name)
        await _put_in_force(session, row.id, wanted)
    elif months.due(allowances.month_of(row), terms.grant_ms, row.now) is None:
        return _known_as(row)
    await allowances.turn(session, row.id, terms, note=f"{wanted.title} plan")
    return await _known(session, row.id)


async def by_discord(session: Session, discord_id: str) -> Account | None:
    return _account((await session.execute(_BY_DISCORD, {"of": discord_id})).one_or_none())


async def _met(session: Session, discord_id: str, name: str, pepper: SecretStr | None) -> Any:
    """On first sight: without a plan yet."""
    account_id = await _named(session, discord_id, name)
    if pepper is not None:
        await bans.follow(session, pseudonyms.mark_of(discord_id, pepper), account_id)
    return (await session.execute(_BY_DISCORD, {"of": discord_id})).one()


async def by_id(session: Session, account_id: UUID) -> Account | None:
    return _account((await session.execute(_BY_ID, {"of": account_id})).one_or_none())


async def locked(
    session: Session, account_id: UUID, *, plan: Plan | None = None
) -> tuple[Standing | None, ledger.Balance]:
    """How it stands (None: it was erased) and what it has, until the transaction ends: its submissions
    stand in a row, and a ban that comes meanwhile waits, and then finds what was accepted. With the
    `plan`, a month that ended while it waited in that row is turned."""
    row = (await session.execute(_LOCKED, {"of": account_id})).one()
    erased = pseudonyms.is_pseudonym(row.discord_id)
    if plan is not None and row.is_over:
        await allowances.turn(session, account_id, plan, note=f"{plan.title} plan")
        return None if erased else Standing(row.standing), await ledger.balance(session, account_id)
    balance = ledger.Balance(row.available_ms, row.held_ms, row.expiring_ms, row.expires_at)
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


async def _change(session: Session, account_id: UUID, **values: Any) -> Account:
    await session.execute(update(accounts).where(accounts.c.id == account_id).values(**values))
    return await _known(session, account_id)


async def _known(session: Session, account_id: UUID) -> Account:
    account = await by_id(session, account_id)
    assert account is not None
    return account


def _account(row: Any) -> Account | None:
    return None if row is None or row.plan is None else _known_as(row)


def _known_as(row: Any) -> Account:
    return Account(
        id=row.id,
        discord_id=row.discord_id,
        name=row.name,
        standing=Standing(row.standing),
        plan=row.plan,
        default_speed=None if row.default_speed is None else Speed(row.default_speed),
    )


# All that decides of a plan and a month, in one round trip.
_GIVEN = (
    select(func.array_agg(plan_grants.c.plan))
    .where(
        plan_grants.c.account_id == accounts.c.id,
        plan_grants.c.since <= func.clock_timestamp(),
        or_(plan_grants.c.until.is_(None), plan_grants.c.until > func.clock_timestamp()),
    )
    .scalar_subquery()
)
_KNOWN = (
    select(
        accounts,
        plans_in_force.c.plan,
        balances.c.expires_at,
        balances.c.month_anchor,
        balances.c.month_ms,
        func.coalesce(_GIVEN, cast([], ARRAY(Text))).label("given"),
        func.clock_timestamp().label("now"),
    )
    .join_from(accounts, balances)
    .outerjoin(
        plans_in_force,
        (plans_in_force.c.account_id == accounts.c.id) & plans_in_force.c.until.is_(None),
    )
)
# The account before its balance, as a ban takes them: so neither waits for the other for ever.
_LOCKED = text("""
select accounts.discord_id, accounts.standing, balances.available_ms, balances.held_ms,
    balances.expiring_ms, balances.expires_at,
    coalesce(balances.expires_at <= clock_timestamp(), false) as is_over
from accounts join balances on balances.account_id = accounts.id
where accounts.id = :of for share of accounts for update of balances
""").bindparams(bindparam("of", type_=Uuid()))
_BY_DISCORD = _KNOWN.where(accounts.c.discord_id == bindparam("of"))
_BY_ID = _KNOWN.where(accounts.c.id == bindparam("of"))
