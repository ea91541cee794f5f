"""API keys in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, or_, select, update

from shared.apikeys import Minted
from shared.connections import Session
from shared.doortables import api_keys
from shared.tables import accounts


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`guild_id`: on that server it is worth `plan`, `roles` and `rank` (shared.moderation.ranks)."""

    id: UUID
    account_id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    guild_id: str | None
    plan: str
    roles: tuple[str, ...]
    rank: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """A key that is good, and whose it is."""

    key: ApiKey
    discord_id: str
    name: str


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
) -> ApiKey:
    values = {
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
    statement = insert(api_keys).values(values).returning(*_COLUMNS)
    return _key((await session.execute(statement)).one())


async def holder(session: Session, digest: str) -> Holder | None:
    """None for a key that is not known, is revoked or is past its time."""
    query = select(*_COLUMNS, accounts.c.discord_id, accounts.c.name.label("holder"))
    query = query.join(accounts, accounts.c.id == api_keys.c.account_id)
    row = (await session.execute(query.where(api_keys.c.digest == digest, _GOOD))).one_or_none()
    return None if row is None else Holder(_key(row), row.discord_id, row.holder)


async def used(session: Session, key_id: UUID) -> None:
    """Noted once a minute at most: a busy key must not write with every request."""
    long_ago = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 1)
    seen = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < long_ago)
    statement = update(api_keys).where(api_keys.c.id == key_id, seen)
    await session.execute(statement.values(last_used_at=func.clock_timestamp()))


def _key(row: Any) -> ApiKey:
    told = {name: getattr(row, name) for name in ApiKey.__slots__}
    return ApiKey(**told | {"scopes": tuple(row.scopes), "roles": tuple(row.roles)})


_COLUMNS = [api_keys.c[name] for name in ApiKey.__slots__]
_GOOD = and_(
    api_keys.c.revoked_at.is_(None),
    or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > func.clock_timestamp()),
)
