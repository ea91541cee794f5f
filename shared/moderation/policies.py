"""A server's own thresholds, in versions: each came out of a proposal that two people agreed on."""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, select

from shared.connections import Session
from shared.peopletables import guild_policies

NEVER = 1e9  # JSON has no infinity; no score reaches this
Limits = tuple[float, float]  # review, block


async def current(session: Session, guild_id: str) -> tuple[int, dict[str, Limits]]:
    """(version, limits by category); version 0 with none when the server has no thresholds of its own."""
    query = select(guild_policies.c.number, guild_policies.c.bands)
    query = query.where(guild_policies.c.guild_id == guild_id)
    row = (
        await session.execute(query.order_by(guild_policies.c.number.desc()).limit(1))
    ).one_or_none()
    if row is None:
        return 0, {}
    return row.number, {name: (limits[0], limits[1]) for name, limits in row.bands.items()}


async def add(
    session: Session, guild_id: str, bands: Mapping[str, Any], *, proposal_id: int
) -> int:
    """The next version, with these alone; its number. Two at once: the second breaks on the number."""
    same = guild_policies.c.guild_id == guild_id
    last = select(func.coalesce(func.max(guild_policies.c.number), 0)).where(same)
    number = int((await session.execute(last)).scalar_one()) + 1
    row = {"guild_id": guild_id, "number": number, "bands": bands, "proposal_id": proposal_id}
    await session.execute(insert(guild_policies).values(row))
    return number


def written(review: float, block: float) -> list[float]:
    return [min(one, NEVER) if not math.isnan(one) else 0.0 for one in (review, block)]
