"""API keys in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, false, func, insert, or_, select, update

from shared.apikeys import Minted
from shared.connections import Session
from shared.doortables import api_keys
from shared.tables import accounts

RANK_HOURS = 24  # who was not seen on their server for so long is no moderator there


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`guild_id`: on that server it is worth `plan`, `roles` and `rank` (shared.moderation.ranks), as the
    bot saw its owner at `seen_at`. The rank is none where that is RANK_HOURS ago."""

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    guild_id: str | None
    plan: str
    roles: tuple[str, ...]
    rank: int
    seen_at: datetime
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key that is good, and whose it is. `noted`: its use was written down within the last minute."""

    key: ApiKey
    discord_id: str
    name: str
    noted: bool = True


async def add(
    session: Session,
    account_id: UUID,
    minted: Minted,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    guild_id: str | None = None,
    plan: str = "",
    roles: Sequence[str] = (),
    rank: int = 0,
    seen_at: datetime | None = None,
) -> ApiKey:
    values: dict[str, Any] = {
        "account_id": account_id,
        "name": name,
        "prefix": minted.prefix,
        "digest": minted.digest,
        "scopes": list(scopes),
        "expires_at": expires_at,
        "guild_id": guild_id,
        "plan": plan,
        "roles": list(roles),
        "rank": rank,
    }
    if seen_at is not None:
        values["seen_at"] = seen_at
    statement = insert(api_keys).values(values).returning(*_COLUMNS)
    return _key((await session.execute(statement)).one())


async def holder(session: Session, digest: str) -> Holder | None:
    """None for a key that is not known, is revoked or is past its time."""
    noted = func.coalesce(api_keys.c.last_used_at > _minutes_ago(1), false()).label("noted")
    query = select(*_COLUMNS, accounts.c.discord_id, accounts.c.name.label("holder"), noted)
    query = query.join(accounts, accounts.c.id == api_keys.c.account_id)
    row = (await session.execute(query.where(api_keys.c.digest == digest, _GOOD))).one_or_none()
    return None if row is None else Holder(_key(row), row.discord_id, row.holder, row.noted)


async def used(session: Session, key_id: UUID) -> None:
    statement = update(api_keys).where(api_keys.c.id == key_id)
    await session.execute(statement.values(last_used_at=func.clock_timestamp()))


async def of_account(session: Session, account_id: UUID) -> list[ApiKey]:
    """Those that are good, the newest first."""
    query = select(*_COLUMNS).where(api_keys.c.account_id == account_id, _GOOD)
    rows = await session.execute(query.order_by(api_keys.c.created_at.desc(), api_keys.c.id))
    return [_key(row) for row in rows]


async def locked(session: Session, account_id: UUID, key_id: UUID) -> ApiKey | None:
    """One of this account's that is good, until the transaction ends."""
    mine = and_(api_keys.c.id == key_id, api_keys.c.account_id == account_id, _GOOD)
    row = (await session.execute(select(*_COLUMNS).where(mine).with_for_update())).one_or_none()
    return None if row is None else _key(row)


async def hold_account(session: Session, account_id: UUID) -> None:
    """Whoever else makes a key for it waits until the transaction ends."""
    query = select(accounts.c.id).where(accounts.c.id == account_id)
    await session.execute(query.with_for_update(key_share=True))


async def end(session: Session, key_id: UUID, *, after_s: float = 0) -> None:
    """Good no longer: at once, or after so many seconds, unless it ends before."""
    now = func.clock_timestamp()
    then = now + func.make_interval(0, 0, 0, 0, 0, 0, after_s)
    change = (
        {"expires_at": func.least(api_keys.c.expires_at, then)} if after_s else {"revoked_at": now}
    )
    await session.execute(update(api_keys).where(api_keys.c.id == key_id).values(change))


async def saw(
    session: Session,
    discord_id: str,
    guild_id: str,
    *,
    plan: str,
    roles: Sequence[str],
    rank: int,
) -> int:
    """What this person is on this server now; their keys of it are worth that. How many there are."""
    theirs = select(accounts.c.id).where(accounts.c.discord_id == discord_id).scalar_subquery()
    statement = update(api_keys).where(
        api_keys.c.account_id == theirs, api_keys.c.guild_id == guild_id, _GOOD
    )
    told = {"plan": plan, "roles": list(roles), "rank": rank, "seen_at": func.clock_timestamp()}
    return int((await session.execute(statement.values(told))).rowcount)


async def on_servers(session: Session) -> list[tuple[str, str]]:
    """Whose keys are of a server, and of which: (discord_id, guild_id)."""
    query = select(accounts.c.discord_id, api_keys.c.guild_id).distinct()
    query = query.join_from(api_keys, accounts, accounts.c.id == api_keys.c.account_id)
    rows = await session.execute(query.where(api_keys.c.guild_id.is_not(None), _GOOD))
    return [(row.discord_id, row.guild_id) for row in rows]


def _minutes_ago(minutes: int) -> Any:
    return func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, minutes)


def _key(row: Any) -> ApiKey:
    told = {name: getattr(row, name) for name in ApiKey.__slots__}
    return ApiKey(**told | {"scopes": tuple(row.scopes), "roles": tuple(row.roles)})


_SEEN = api_keys.c.seen_at > _minutes_ago(RANK_HOURS * 60)
_RANK = case((_SEEN, api_keys.c.rank), else_=0).label("rank")
_COLUMNS = [_RANK if name == "rank" else api_keys.c[name] for name in ApiKey.__slots__]
_GOOD = and_(
    api_keys.c.revoked_at.is_(None),
    or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.clock_timestamp()),
)
