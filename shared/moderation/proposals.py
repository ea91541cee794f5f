"""What two people decide: proposed by one, approved by another, forgotten after a week."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, false, func, insert, or_, select, update

from shared.connections import Session
from shared.errors import Refusal
from shared.moderation.audit import audit
from shared.peopletables import proposals

UNBAN, POLICY = "unban", "policy"
OPEN, APPROVED, REJECTED, EXPIRED = "open", "approved", "rejected", "expired"
LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Proposal:
    """`detail` of an unban: account, guild. Of a policy: bands by category."""

    id: int
    action: str
    guild_id: str | None
    detail: dict[str, Any]
    state: str
    proposed_by: str
    at: datetime
    expires_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None


async def propose(
    session: Session, action: str, *, guild_id: str | None, detail: dict[str, Any], actor: str
) -> Proposal:
    row = {
        "action": action,
        "guild_id": guild_id,
        "detail": detail,
        "proposed_by": actor,
        "expires_at": func.clock_timestamp() + LIFE,
    }
    made = (await session.execute(insert(proposals).values(row).returning(*_ROW))).one()
    proposal = Proposal(*made)
    told = {"guild": guild_id, "detail": detail}
    await audit(session, actor, f"{action}_proposed", f"proposal:{proposal.id}", told)
    return proposal


async def load(session: Session, number: int) -> Proposal | None:
    row = (await session.execute(select(*_ROW).where(proposals.c.id == number))).one_or_none()
    return None if row is None else Proposal(*row)


async def open_ones(
    session: Session, guild_id: str | None, *, homeless: bool = False
) -> list[Proposal]:
    """What waits for a second person on this server (None: on any), the oldest first; `homeless` ones,
    of everywhere, too."""
    wanted = and_(proposals.c.state == OPEN, proposals.c.expires_at > func.clock_timestamp())
    if guild_id is not None:
        none = proposals.c.guild_id.is_(None) if homeless else false()
        wanted = and_(wanted, or_(proposals.c.guild_id == guild_id, none))
    rows = await session.execute(select(*_ROW).where(wanted).order_by(proposals.c.id))
    return [Proposal(*row) for row in rows]


async def decide(session: Session, number: int, state: str, *, actor: str) -> Proposal:
    """Refusal `no_self_approval`, `already_decided` or `unknown_proposal`. Anybody may take back their own."""
    wanted = and_(
        proposals.c.id == number,
        proposals.c.state == OPEN,
        proposals.c.expires_at > func.clock_timestamp(),
    )
    if state == APPROVED:
        wanted = and_(wanted, proposals.c.proposed_by != actor)
    values = {"state": state, "decided_by": actor, "decided_at": func.clock_timestamp()}
    statement = update(proposals).where(wanted).values(values).returning(*_ROW)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise _not_decided(await load(session, number), actor)
    decided = Proposal(*row)
    told = {"guild": decided.guild_id, "detail": decided.detail, "by": decided.proposed_by}
    await audit(session, actor, f"{decided.action}_{state}", f"proposal:{number}", told)
    return decided


async def expire(session: Session) -> int:
    past = and_(proposals.c.state == OPEN, proposals.c.expires_at <= func.clock_timestamp())
    statement = update(proposals).where(past).values(state=EXPIRED).returning(proposals.c.id)
    return len((await session.execute(statement)).all())


def _not_decided(found: Proposal | None, actor: str) -> Refusal:
    if found is None:
        return Refusal("unknown_proposal", "There is no such proposal.", field="proposal")
    if found.state == OPEN and found.proposed_by == actor:
        sentence = "You proposed this, so somebody else must approve it."
        return Refusal("no_self_approval", sentence)
    sentence = f"This proposal is {found.state} already."
    if found.state == OPEN:
        sentence = "This proposal has expired; propose it again."
    return Refusal("already_decided", sentence, field="proposal")


_ROW: Any = [proposals.c[name] for name in Proposal.__slots__]
