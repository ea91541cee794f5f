"""What webhooks are told, in Postgres: claimed by one sender, tried until it is taken, kept as a log.

Of one job an address hears in order: what came later waits until what came before is taken or given up. A claim
is a lease: `next_at` lies ahead until the sender is done, and who dies in between leaves it to the next.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Interval,
    Uuid,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from shared.connections import Session
from shared.doortables import webhook_deliveries as deliveries
from shared.doortables import webhooks
from shared.hooks import PING, Answer, Signer
from shared.tables import jobs

WINDOW = 500  # of what is due, looked at by one claim


@dataclass(frozen=True, slots=True)
class Delivery:
    """`state` is open, delivered or given_up; `at` when it happened, `next_at` when it is tried again."""

    id: int
    webhook_id: UUID
    job_id: UUID | None
    event: str
    state: str
    tries: int
    status: int | None
    error: str | None
    at: datetime
    next_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery in a sender's hand. `tries` counts this one; `age_s` is since the first."""

    id: int
    webhook_id: UUID
    account_id: UUID
    job_id: UUID | None
    event: str
    url: str
    dialect: str
    signer: Signer
    at: datetime
    tries: int
    age_s: float
    failing_s: float


async def claim(
    session: Session, *, most: int, share: int, full: Collection[UUID], lease_s: float
) -> list[Claim]:
    """Up to `most` that are due, up to `share` of one account, and none of the accounts that are `full`."""
    told = {"most": most, "share": share, "full": list(full), "lease": timedelta(seconds=lease_s)}
    return [_claim(row) for row in await session.execute(_CLAIM, told | {"seen": WINDOW})]


async def delivered(session: Session, delivery_id: int, status: int) -> None:
    """Whoever says so: it has arrived."""
    arrived = {"state": "delivered", "status": status, "error": None, "ended_at": _now()}
    statement = update(deliveries).where(deliveries.c.id == delivery_id, _OPEN)
    await session.execute(statement.values(arrived))


async def postponed(session: Session, claim: Claim, answer: Answer, *, pause_s: float) -> None:
    """Nothing, where somebody else has claimed it since. What waits behind it waits as long."""
    told = {"id": claim.id, "tries": claim.tries, "status": answer.status, "error": answer.why}
    await session.execute(_POSTPONED, told | {"pause": timedelta(seconds=pause_s)})


async def given_up(session: Session, claim: Claim, answer: Answer) -> None:
    mine = and_(deliveries.c.id == claim.id, deliveries.c.tries == claim.tries, _OPEN)
    told = {"state": "given_up", "status": answer.status, "error": answer.why}
    values = told | {"ended_at": _now()}
    await session.execute(update(deliveries).where(mine).values(values))


async def give_up_all(session: Session, hook_id: UUID, error: str) -> int:
    """All that this webhook has not been told yet."""
    statement = update(deliveries).where(deliveries.c.webhook_id == hook_id, _OPEN)
    values = {"state": "given_up", "error": error, "ended_at": _now()}
    return len((await session.execute(statement.values(values).returning(deliveries.c.id))).all())


async def add_ping(session: Session, hook_id: UUID) -> Delivery:
    statement = insert(deliveries).values(webhook_id=hook_id, event=PING).returning(*_COLUMNS)
    return _delivery((await session.execute(statement)).one())


async def again(session: Session, hook_id: UUID, delivery_id: int) -> Delivery | None:
    """Now, whatever became of it; with what of the same job waits behind it. None: there is none such."""
    reopened = {
        "state": "open",
        "ended_at": None,
        "next_at": _now(),
        "first_at": None,
        "error": None,
    }
    wanted = and_(deliveries.c.id == delivery_id, deliveries.c.webhook_id == hook_id)
    statement = update(deliveries).where(wanted).values(reopened).returning(*_COLUMNS)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    behind = and_(deliveries.c.webhook_id == hook_id, deliveries.c.job_id == row.job_id, _OPEN)
    await session.execute(update(deliveries).where(behind).values(next_at=_now()))
    return _delivery(row)


async def log(
    session: Session, hook_id: UUID, *, state: str | None, before: int | None, limit: int
) -> list[Delivery]:
    """The newest first; `before` is the id of the last one seen."""
    query = select(*_COLUMNS).where(deliveries.c.webhook_id == hook_id)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    rows = await session.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
    return [_delivery(row) for row in rows]


async def forget(session: Session, *, older_than: timedelta) -> int:
    """What ended so long ago; and the webhooks that are over and have no delivery left."""
    old = and_(deliveries.c.ended_at < _now() - older_than, ~_OPEN)
    gone = await session.execute(delete(deliveries).where(old).returning(deliveries.c.id))
    left = exists().where(deliveries.c.webhook_id == webhooks.c.id)
    done = exists().where(jobs.c.id == webhooks.c.job_id, jobs.c.finished_at.is_not(None))
    over = and_(or_(webhooks.c.ended_at.is_not(None), done), ~left)
    aged = webhooks.c.created_at < _now() - older_than
    hooks = await session.execute(delete(webhooks).where(over, aged).returning(webhooks.c.id))
    return len(gone.all()) + len(hooks.all())


def _delivery(row: Any) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in Delivery.__slots__})


def _claim(row: Any) -> Claim:
    signer = Signer(row.owner, row.generation, row.rotated_at)
    told = {name: getattr(row, name) for name in Claim.__slots__ if name != "signer"}
    return Claim(**told, signer=signer)


_now = func.clock_timestamp
_OPEN = deliveries.c.state == "open"
_COLUMNS = [deliveries.c[name] for name in Delivery.__slots__]
# First a window of what is due, then a share of it for each account: a backlog of one must neither be sorted
# as a whole nor keep the others waiting.
_CLAIM = text("""
with due as (
    select waiting.id, waiting.next_at, webhooks.account_id
    from webhook_deliveries waiting join webhooks on webhooks.id = waiting.webhook_id
    where waiting.state = 'open' and waiting.next_at <= clock_timestamp()
        and webhooks.account_id <> all(:full)
        and not exists (
            select from webhook_deliveries before
            where before.webhook_id = waiting.webhook_id and before.job_id = waiting.job_id
                and before.id < waiting.id and before.state = 'open')
    order by waiting.next_at limit :seen
), shared as (
    select id, next_at, row_number() over (partition by account_id order by next_at, id) as place
    from due
), picked as (
    select mine.id from webhook_deliveries mine join shared on shared.id = mine.id
    where shared.place <= :share and mine.state = 'open' and mine.next_at <= clock_timestamp()
    order by shared.next_at, mine.id limit :most
    for update of mine skip locked
), claimed as (
    update webhook_deliveries mine set tries = mine.tries + 1,
        next_at = clock_timestamp() + :lease, first_at = coalesce(mine.first_at, clock_timestamp())
    from picked where mine.id = picked.id
    returning mine.*
)
select claimed.id, claimed.webhook_id, claimed.job_id, claimed.event, claimed.at, claimed.tries,
    extract(epoch from clock_timestamp() - claimed.first_at)::float8 as age_s,
    coalesce(extract(epoch from clock_timestamp() - hooks.failing_since), 0)::float8 as failing_s,
    hooks.account_id, hooks.url, hooks.dialect,
    case when hooks.job_id is null then hooks.id else hooks.account_id end as owner,
    case when hooks.job_id is null then hooks.generation
        else coalesce(secrets.generation, 0) end as generation,
    case when hooks.job_id is null then hooks.rotated_at else secrets.rotated_at end as rotated_at
from claimed join webhooks hooks on hooks.id = claimed.webhook_id
left join hook_secrets secrets on secrets.account_id = hooks.account_id
order by claimed.id
""").bindparams(bindparam("full", type_=ARRAY(Uuid())), bindparam("lease", type_=Interval()))
_POSTPONED = text("""
with tried as (
    update webhook_deliveries set status = :status, error = :error,
        next_at = clock_timestamp() + :pause
    where id = :id and tries = :tries and state = 'open' returning id, webhook_id, job_id, next_at
)
update webhook_deliveries later set next_at = tried.next_at from tried
where later.webhook_id = tried.webhook_id and later.job_id = tried.job_id
    and later.id > tried.id and later.state = 'open'
""").bindparams(bindparam("pause", type_=Interval()))
