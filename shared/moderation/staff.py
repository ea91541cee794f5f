"""A server's staff: which of its roles may sit at the desk, and the channel that is told of alerts."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.moderation.audit import audit
from shared.moderation.ranks import Rank
from shared.peopletables import audit_chain, staff_channels, staff_roles

_RANKS = {rank.name.lower(): rank for rank in Rank if rank is not Rank.NONE}


async def roles(session: Session, guild_id: str) -> dict[str, Rank]:
    """Rank by role id."""
    query = select(staff_roles.c.role_id, staff_roles.c.rank)
    rows = await session.execute(query.where(staff_roles.c.guild_id == guild_id))
    return {role: _RANKS[rank] for role, rank in rows}


async def set_role(session: Session, guild_id: str, role_id: str, rank: Rank, actor: str) -> None:
    """NONE takes away what the role was given."""
    same = (staff_roles.c.guild_id == guild_id) & (staff_roles.c.role_id == role_id)
    await session.execute(delete(staff_roles).where(same))
    if rank is not Rank.NONE:
        row = {"guild_id": guild_id, "role_id": role_id, "rank": rank.name.lower(), "actor": actor}
        await session.execute(insert(staff_roles).values(row))
    told = {"guild": guild_id, "rank": rank.name.lower()}
    await audit(session, actor, "staff_role", f"role:{role_id}", told)


async def channels(session: Session) -> dict[str, tuple[str, int]]:
    """By server: the channel of its alerts, and the last link that was told there."""
    rows = await session.execute(select(staff_channels))
    return {row.guild_id: (row.channel_id, row.told) for row in rows}


async def set_channel(session: Session, guild_id: str, channel_id: str, actor: str) -> None:
    """Told from now on; what went before is not repeated."""
    newest = select(func.coalesce(func.max(audit_chain.c.id), 0)).scalar_subquery()
    row = {"guild_id": guild_id, "channel_id": channel_id, "told": newest, "actor": actor}
    statement = insert(staff_channels).values(row)
    changed = {"channel_id": channel_id, "actor": actor}
    await session.execute(
        statement.on_conflict_do_update(index_elements=["guild_id"], set_=changed)
    )
    await audit(session, actor, "staff_channel", f"channel:{channel_id}", {"guild": guild_id})


async def told(session: Session, guild_id: str, link: int) -> None:
    """Alerts up to this link have arrived. Never goes back."""
    mine = (staff_channels.c.guild_id == guild_id) & (staff_channels.c.told < link)
    await session.execute(update(staff_channels).where(mine).values(told=link))
