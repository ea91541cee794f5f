"""Plans beside the one that a role gives: from an admin, a purchase or a trial; each with its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.errors import Refusal
from shared.planbooks import PlanBook, Trial
from shared.tradetables import plan_grants


class Source(StrEnum):
    ADMIN = "admin"
    ENTITLEMENT = "entitlement"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class PlanGrant:
    """`until` None: for good."""

    plan: str
    source: Source
    since: datetime
    until: datetime | None


async def give(
    session: Session,
    account_id: UUID,
    plan: str,
    until: datetime | None,
    *,
    by: str,
    book: PlanBook,
    key: str,
) -> bool:
    """An admin gives a plan, once for each key; it is in force from this person's next request on. Refusal
    when there is no such plan, or the end is past."""
    _check_plan(plan, book)
    if until is not None and until <= await _now(session):
        raise Refusal("bad_end", "That end is past. Name a day to come.", field="until")
    made = f"{Source.ADMIN}:{by}:{key}"
    return await put(session, account_id, plan, Source.ADMIN, made, since=None, until=until)


async def take(session: Session, account_id: UUID, plan: str) -> int:
    """What admins gave of this plan ends now; how many gifts that were. What was bought stays."""
    ended = await session.execute(
        update(plan_grants)
        .where(
            plan_grants.c.account_id == account_id,
            plan_grants.c.plan == plan,
            plan_grants.c.source == Source.ADMIN,
            _open(),
        )
        .values(until=func.clock_timestamp())
        .returning(plan_grants.c.id)
    )
    return len(ended.all())


async def put(
    session: Session,
    account_id: UUID,
    plan: str,
    source: Source,
    key: str,
    *,
    since: datetime | None,
    until: datetime | None,
) -> bool:
    """Once for each key. True when it is new; else its plan and end become these, as a purchase that was
    renewed or ended tells them."""
    values = {"account_id": account_id, "plan": plan, "source": source.value, "source_key": key}
    values |= {"until": until} | ({"since": since} if since else {})
    statement = insert_row(plan_grants).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=["source_key"])
    if (await session.execute(statement.returning(plan_grants.c.id))).one_or_none():
        return True
    kept = plan_grants.c.source_key == key
    await session.execute(update(plan_grants).where(kept).values(plan=plan, until=until))
    return False


async def end(session: Session, key: str) -> bool:
    """Now, unless it has ended. False when there is none that is open."""
    wanted = (plan_grants.c.source_key == key) & _open()
    ended = update(plan_grants).where(wanted).values(until=func.clock_timestamp())
    return (await session.execute(ended.returning(plan_grants.c.id))).one_or_none() is not None


async def current(session: Session, account_id: UUID) -> Sequence[PlanGrant]:
    """Those in force now; the one that ends last comes first."""
    query = (
        select(plan_grants)
        .where(plan_grants.c.account_id == account_id, _open())
        .where(plan_grants.c.since <= func.clock_timestamp())
        .order_by(plan_grants.c.until.desc().nulls_first(), plan_grants.c.id)
    )
    rows = await session.execute(query)
    return [PlanGrant(row.plan, Source(row.source), row.since, row.until) for row in rows]


async def begin_trial(session: Session, account_id: UUID, trial: Trial, *, who: str) -> bool:
    """Once for `who`, which must outlive the account: who had themselves erased is still the same
    person. False when they had theirs."""
    statement = (
        insert_row(plan_grants)
        .values(
            account_id=account_id,
            plan=trial.plan,
            source=Source.TRIAL.value,
            source_key=_trial_key(who),
            until=func.clock_timestamp() + timedelta(days=trial.days),
        )
        .on_conflict_do_nothing(index_elements=["source_key"])
        .returning(plan_grants.c.id)
    )
    return (await session.execute(statement)).one_or_none() is not None


async def had_trial(session: Session, who: str) -> bool:
    query = select(plan_grants.c.id).where(plan_grants.c.source_key == _trial_key(who))
    return (await session.execute(query)).one_or_none() is not None


def _trial_key(who: str) -> str:
    return f"{Source.TRIAL}:{who}"


def _open() -> ColumnElement[bool]:
    return or_(plan_grants.c.until.is_(None), plan_grants.c.until > func.clock_timestamp())


async def _now(session: Session) -> datetime:
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


def _check_plan(plan: str, book: PlanBook) -> None:
    if plan not in book.plans:
        has = ", ".join(book.plans)
        raise Refusal("unknown_plan", f"There is no plan {plan!r}. There are: {has}.", field="plan")
