"""LoRAs that people brought, in Postgres. What was removed stays as a row until its owner is erased."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import choice, token_hex
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from shared.connections import Session
from shared.doortables import loras
from shared.tables import accounts
from shared.uploads import BROUGHT

OWN, PUBLIC = "own", "public"
_SIGNS = "23456789abcdefghjkmnpqrstvwxyz"  # none is taken for another
_MARK = 8  # signs: 39 bits, and a handle that is taken is drawn again


@dataclass(frozen=True, slots=True)
class Lora:
    """`handle` names it in recipes, for ever; people write `name` or `handle`. Others see it where it is
    `shown`: of a server on that server, else everywhere."""

    id: UUID
    account_id: UUID
    guild_id: str | None
    name: str
    handle: str
    checkpoint: str
    trigger: str
    licence: str
    key: str
    sha256: str
    size: int
    visibility: str
    created_at: datetime
    approved_at: datetime | None

    @property
    def shown(self) -> bool:
        return self.visibility == PUBLIC and self.approved_at is not None

    @property
    def waits(self) -> bool:
        """For a moderator's word."""
        return self.visibility == PUBLIC and self.approved_at is None


def new_key() -> str:
    """128 random bits: who does not know it does not find it."""
    return f"{BROUGHT}{token_hex(16)}.safetensors"


def new_handle(name: str) -> str:
    return f"{name}.{''.join(choice(_SIGNS) for _ in range(_MARK))}"


async def add(session: Session, **values: Any) -> Lora:
    """Its handle is drawn here."""
    row = values | {"handle": new_handle(values["name"])}
    statement = insert(loras).values(row).returning(*_COLUMNS)
    return _lora((await session.execute(statement)).one())


async def find(session: Session, lora_id: UUID, *, lock: bool = False) -> Lora | None:
    query = select(*_COLUMNS).where(loras.c.id == lora_id, _LIVE)
    row = (await session.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _lora(row)


async def of_account(session: Session, account_id: UUID) -> list[Lora]:
    """By name."""
    return await _those(session, loras.c.account_id == account_id)


async def by_handles(session: Session, handles: Collection[str]) -> list[Lora]:
    return await _those(session, loras.c.handle.in_(handles))


async def waiting(session: Session) -> list[Lora]:
    """For a moderator, the oldest first."""
    asked = and_(loras.c.visibility == PUBLIC, loras.c.approved_at.is_(None))
    query = select(*_COLUMNS).where(_LIVE, asked).order_by(loras.c.created_at)
    return [_lora(row) for row in await session.execute(query)]


async def shown(session: Session, guild_id: str | None, *, limit: int) -> list[Lora]:
    """What others brought and may be used there, by name."""
    return await _those(session, _shown(guild_id), limit=limit)


async def visible(
    session: Session, discord_id: str, guild_id: str | None, names: Collection[str]
) -> list[Lora]:
    """All of this person's own, and of others what is shown there under one of these names or handles; their
    own first, then the first that was approved."""
    spelt = [name.casefold() for name in names]
    mine = accounts.c.discord_id == discord_id
    named = or_(func.lower(loras.c.name).in_(spelt), func.lower(loras.c.handle).in_(spelt))
    query = select(*_COLUMNS).join(accounts, accounts.c.id == loras.c.account_id)
    query = query.where(_LIVE, or_(mine, and_(named, _shown(guild_id))))
    ordered = query.order_by(mine.desc(), loras.c.approved_at, loras.c.created_at)
    return [_lora(row) for row in await session.execute(ordered)]


async def change(session: Session, lora_id: UUID, **values: Any) -> Lora:
    statement = update(loras).where(loras.c.id == lora_id).values(values).returning(*_COLUMNS)
    return _lora((await session.execute(statement)).one())


async def approve(session: Session, lora_id: UUID) -> Lora:
    return await change(session, lora_id, approved_at=func.clock_timestamp())


async def remove(session: Session, lora_id: UUID) -> None:
    await change(session, lora_id, removed_at=func.clock_timestamp())


async def keys_named(session: Session, keys: Collection[str]) -> set[str]:
    """Those of these files that a row still names."""
    query = select(loras.c.key).where(loras.c.key.in_(keys), _LIVE)
    return set((await session.execute(query)).scalars())


async def digests_named(session: Session, digests: Collection[str]) -> set[str]:
    """Those of these files' contents that somebody still has."""
    query = select(loras.c.sha256).where(loras.c.sha256.in_(digests), _LIVE)
    return set((await session.execute(query)).scalars())


async def _those(
    session: Session, wanted: ColumnElement[bool], *, limit: int | None = None
) -> list[Lora]:
    query = select(*_COLUMNS).where(_LIVE, wanted).order_by(loras.c.name, loras.c.created_at)
    return [_lora(row) for row in await session.execute(query.limit(limit))]


def _shown(guild_id: str | None) -> ColumnElement[bool]:
    here: ColumnElement[bool] = loras.c.guild_id.is_(None)
    if guild_id is not None:
        here = or_(here, loras.c.guild_id == guild_id)
    return and_(loras.c.visibility == PUBLIC, loras.c.approved_at.is_not(None), here)


def _lora(row: Any) -> Lora:
    return Lora(**{name: getattr(row, name) for name in Lora.__slots__})


_COLUMNS: Sequence[Any] = [loras.c[name] for name in Lora.__slots__]
_LIVE = loras.c.removed_at.is_(None)
