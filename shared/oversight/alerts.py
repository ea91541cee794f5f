"""Alerts for a server's moderators: rows of the audit book, in the order in which they were committed.

The chain's numbers are given under a lock at the commit, so whoever asks for what comes after a number
misses nothing. A channel is told at least once, also over restarts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.moderation import caselists, staff, strikes
from shared.peopletables import audit_chain
from shared.tables import audit

# What moderators hear of; everything else is for who looks it up.
ACTIONS = (
    "case_opened",
    "hard_case",
    "threshold_passed",
    "suspension",
    "ban",
    "unban_proposed",
    "policy_proposed",
    "policy_changed",
    "pause",
    "resume",
    "unban",
    "mismatch",
)
PAUSES = ("pause", "resume")
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Alert:
    """`number` is its link in the chain; `subject` and `detail` as in the audit book, never a prompt."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counters:
    """On one server: cases that wait, by kind, appeals among them, strikes of the last 24 hours."""

    waiting: Mapping[str, int]
    appeals: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Pending:
    """What a server's channel has not been told; `told` these, then say so with `Alerts.told`."""

    guild_id: str
    channel_id: str
    alerts: tuple[Alert, ...]
    counters: Counters


@dataclass(frozen=True, slots=True)
class Alerts:
    database: Database
    safety: SafetySettings

    async def pending(self) -> list[Pending]:
        async with self.database.read() as session:
            found = []
            for guild_id, (channel_id, told) in (await staff.channels(session)).items():
                home = guild_id == self.safety.home_guild
                alerts = await alerts_since(session, told, guild_id, home=home)
                if alerts:
                    counters = await count(session, guild_id)
                    found.append(Pending(guild_id, channel_id, tuple(alerts), counters))
        return found

    async def told(self, guild_id: str, number: int) -> None:
        """Everything up to this alert has arrived in the server's channel."""
        async with self.database.begin() as session:
            await staff.told(session, guild_id, number)


async def count(session: Session, guild_id: str) -> Counters:
    return Counters(
        await caselists.waiting(session, guild_id),
        await caselists.appeals_waiting(session, guild_id),
        await strikes.given(session, guild_id, within=timedelta(days=1)),
    )


async def alerts_since(
    session: Session,
    number: int,
    guild_id: str,
    *,
    home: bool = False,
    actions: Collection[str] = ACTIONS,
    limit: int = AT_ONCE,
) -> Sequence[Alert]:
    """Of this server, the oldest first; `home` also hears what belongs to no server."""
    wanted = and_(audit_chain.c.id > number, audit.c.action.in_(actions), _heard(guild_id, home))
    query = (
        select(
            audit_chain.c.id,
            audit.c.at,
            audit.c.actor,
            audit.c.action,
            audit.c.subject,
            audit.c.detail,
        )
        .join(audit, audit.c.id == audit_chain.c.audit_id)
        .where(wanted)
        .order_by(audit_chain.c.id)
        .limit(limit)
    )
    return [Alert(*row) for row in await session.execute(query)]


def _heard(guild_id: str, home: bool) -> ColumnElement[bool]:
    """A pause of everywhere concerns every server."""
    of = audit.c.detail["guild"].astext
    here = or_(of == guild_id, audit.c.subject == f"guild:{guild_id}")
    wide = and_(audit.c.action.in_(PAUSES), audit.c.subject.in_(("everywhere", "safety")))
    nobodys = and_(of.is_(None), ~func.starts_with(audit.c.subject, "guild:"))
    return or_(here, wide, *([nobodys] if home else []))
