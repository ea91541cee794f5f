"""Strikes: what counts against somebody, for how long, and what follows when it adds up.

The filter's strikes and the operator's count everywhere; those of a server's moderators count on that
server alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update

from shared.config import SafetySettings
from shared.connections import Session
from shared.moderation import bans
from shared.moderation.audit import FILTER, audit
from shared.peopletables import strikes
from shared.ruling import Ruling
from shared.telemetry import STRIKES

DEFAULT = SafetySettings()
# Nobody is punished for writing of their own pain.
WEIGHTS = {"self_harm": 0, "hate": 2, "illegal": 2, "adversarial": 2, "minor": 6, "known": 10}
SUSPENSIONS = {2: timedelta(days=1), 3: timedelta(days=7)}


class Consequence(IntEnum):
    NONE = 0
    WARN = 1
    DAY = 2  # suspended for a day
    WEEK = 3
    BAN = 4  # proposed to the moderators: only people ban


@dataclass(frozen=True, slots=True)
class Strike:
    id: int
    account_id: UUID
    guild_id: str | None
    case_id: UUID | None
    job_id: UUID | None
    weight: int
    category: str
    reason: str
    actor: str
    at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None


def consequence(active_weight: int, rules: SafetySettings = DEFAULT) -> Consequence:
    rungs = (rules.warn_at, rules.suspend_day_at, rules.suspend_week_at, rules.propose_ban_at)
    return Consequence(sum(active_weight >= rung for rung in rungs))


def crossed(before: int, after: int, rules: SafetySettings = DEFAULT) -> Consequence:
    """What a further strike leads to: each rung acts once, when it is passed."""
    reached = consequence(after, rules)
    return reached if reached > consequence(before, rules) else Consequence.NONE


async def strike(
    session: Session,
    account_id: UUID,
    job_id: UUID | None,
    verdict: Ruling,
    *,
    case_id: UUID | None = None,
    guild_id: str | None = None,
    rules: SafetySettings = DEFAULT,
) -> Consequence:
    """A prompt or a picture of this account was blocked. The prompt itself is not repeated here."""
    category = str(verdict.category)
    detail = {
        "decision": str(verdict.decision),
        "score": verdict.score,
        "rule": verdict.rule,
        "policy": verdict.policy,
    }
    return await _strike(
        session,
        {
            "account_id": account_id,
            "guild_id": guild_id,
            "case_id": case_id,
            "job_id": job_id,
            "weight": WEIGHTS.get(category, 1),
            "category": category,
            "reason": verdict.rule,
            "actor": FILTER,
        },
        detail,
        rules=rules,
    )


async def strike_by_hand(
    session: Session,
    account_id: UUID,
    *,
    guild_id: str | None,
    weight: int,
    reason: str,
    actor: str,
    case_id: UUID | None = None,
    job_id: UUID | None = None,
    rules: SafetySettings = DEFAULT,
) -> Consequence:
    """A moderator's. Weight 0 is a warning that stays on record."""
    values = {
        "account_id": account_id,
        "guild_id": guild_id,
        "case_id": case_id,
        "job_id": job_id,
        "weight": weight,
        "category": "warning" if weight == 0 else "conduct",
        "reason": reason,
        "actor": actor,
    }
    return await _strike(session, values, {"reason": reason}, rules=rules)


async def active_weight(session: Session, account_id: UUID, guild_id: str | None) -> int:
    """What counts against this account on this server now; None: everywhere."""
    query = select(func.coalesce(func.sum(strikes.c.weight), 0))
    wanted = and_(strikes.c.account_id == account_id, _active(), _counts(guild_id))
    return int((await session.execute(query.where(wanted))).scalar_one())


async def of_account(
    session: Session, account_id: UUID, guild_id: str | None, *, limit: int
) -> list[Strike]:
    """The newest first; of one server, or (None) of all."""
    query = select(*_ROW).where(strikes.c.account_id == account_id)
    if guild_id is not None:
        query = query.where(strikes.c.guild_id == guild_id)
    rows = await session.execute(query.order_by(strikes.c.id.desc()).limit(limit))
    return [Strike(*row) for row in rows]


async def given(session: Session, guild_id: str, *, within: timedelta) -> int:
    """How many this server has seen lately; warnings are none."""
    since = func.clock_timestamp() - within
    wanted = and_(strikes.c.guild_id == guild_id, strikes.c.at > since, strikes.c.weight > 0)
    query = select(func.count()).select_from(strikes).where(wanted)
    return int((await session.execute(query)).scalar_one())


async def lift_of_case(
    session: Session, case_id: UUID, actor: str, *, rules: SafetySettings = DEFAULT
) -> int:
    """The case was lifted, so its strikes never were; how many that is. A suspension that they alone
    had led to ends with them."""
    statement = (
        update(strikes)
        .where(strikes.c.case_id == case_id, strikes.c.lifted_at.is_(None))
        .values(lifted_at=func.clock_timestamp(), lifted_by=actor)
        .returning(strikes.c.account_id)
    )
    lifted = list((await session.execute(statement)).scalars())
    for account_id in lifted:
        await audit(
            session, actor, "strike_lifted", f"account:{account_id}", {"case": str(case_id)}
        )
        if await active_weight(session, account_id, None) < rules.suspend_day_at:
            await bans.lift_suspensions(session, account_id, set_by=FILTER, actor=actor)
    return len(lifted)


async def _strike(
    session: Session, values: dict[str, Any], detail: dict[str, Any], *, rules: SafetySettings
) -> Consequence:
    account_id, actor = values["account_id"], values["actor"]
    scope = None if actor == FILTER else values["guild_id"]
    # Two strikes at once stand in a row, so that each sees what the other has added.
    await bans.lock(session, account_id)
    before = await active_weight(session, account_id, scope)
    ends = func.clock_timestamp() + timedelta(days=rules.strike_days)
    await session.execute(insert(strikes).values(values | {"expires_at": ends}))
    STRIKES.labels(values["category"]).inc()
    told = {
        "job": None if values["job_id"] is None else str(values["job_id"]),
        "case": None if values["case_id"] is None else str(values["case_id"]),
        "category": values["category"],
        "weight": values["weight"],
        "guild": values["guild_id"],
    }
    await audit(session, actor, "strike", f"account:{account_id}", told | detail)
    after = before + values["weight"]
    follows = crossed(before, after, rules)
    await _follow(session, account_id, scope, follows, weight=after, told=values["guild_id"])
    return follows


async def _follow(
    session: Session,
    account_id: UUID,
    scope: str | None,
    follows: Consequence,
    *,
    weight: int,
    told: str | None,
) -> None:
    if follows is Consequence.NONE:
        return
    detail = {"weight": weight, "consequence": follows.name.lower(), "guild": told}
    await audit(session, FILTER, "threshold_passed", f"account:{account_id}", detail)
    if (lasts := SUSPENSIONS.get(follows)) is not None:
        reason = f"strikes that add up to {weight}"
        await bans.suspend(
            session, account_id, guild_id=scope, lasts=lasts, reason=reason, actor=FILTER
        )


def _active() -> ColumnElement[bool]:
    now = func.clock_timestamp()
    lasting = or_(strikes.c.expires_at.is_(None), strikes.c.expires_at > now)
    return and_(strikes.c.lifted_at.is_(None), lasting)


def _counts(guild_id: str | None) -> ColumnElement[bool]:
    everywhere = or_(strikes.c.actor == FILTER, strikes.c.guild_id.is_(None))
    return everywhere if guild_id is None else or_(everywhere, strikes.c.guild_id == guild_id)


_ROW: Any = [strikes.c[name] for name in Strike.__slots__]
