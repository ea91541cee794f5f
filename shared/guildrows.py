"""A server's settings as they are kept: one row each, changed one at a time, every change in the audit book."""

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.guilds import GuildSettings, read_settings
from shared.moderation.audit import audit
from shared.tradetables import guild_settings as rows

ACTION = "guild_settings"


async def read(session: Session, guild_id: str | None) -> GuildSettings:
    """One round trip. Without a server, or before anybody set anything: none of them."""
    if guild_id is None:
        return GuildSettings()
    chosen = select(rows.c.chosen).where(rows.c.guild_id == guild_id)
    told = (await session.execute(chosen)).scalar_one_or_none()
    return read_settings(told or {})


async def of_guilds(session: Session, guild_ids: Collection[str]) -> dict[str, GuildSettings]:
    """Of those that set anything."""
    wanted = select(rows.c.guild_id, rows.c.chosen).where(rows.c.guild_id.in_(guild_ids))
    found = await session.execute(wanted)
    return {row.guild_id: read_settings(row.chosen) for row in found}


async def change(
    session: Session, guild_id: str, edit: Callable[[GuildSettings], GuildSettings], actor: str
) -> GuildSettings:
    """Two at once stand in a row, so that neither undoes the other. What changes nothing is not written
    down."""
    first = insert(rows).values(guild_id=guild_id, changed_by=actor).on_conflict_do_nothing()
    await session.execute(first)
    locked = select(rows.c.chosen).where(rows.c.guild_id == guild_id).with_for_update()
    before = read_settings((await session.execute(locked)).scalar_one())
    after = edit(before)
    if after == before:
        return after
    values = {"chosen": after.told(), "changed_by": actor, "changed_at": func.clock_timestamp()}
    await session.execute(update(rows).where(rows.c.guild_id == guild_id).values(values))
    told = {"guild": guild_id, **_difference(before.told(), after.told())}
    await audit(session, actor, ACTION, f"guild:{guild_id}", told)
    return after


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before[name] for name in names if name in before},
        "after": {name: after[name] for name in names if name in after},
    }
