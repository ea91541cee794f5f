"""The audit book: who did what to whom. Rows are only ever added."""

from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import insert

from shared.connections import Session
from shared.tables import audit as book

FILTER = "filter"  # the actor of what no person did


class Ruling(Protocol):
    """What a verdict says, whoever reached it."""

    @property
    def decision(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def rule(self) -> str: ...
    @property
    def policy(self) -> str: ...


async def audit(
    session: Session, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> None:
    row = {"actor": actor, "action": action, "subject": subject, "detail": detail or {}}
    await session.execute(insert(book).values(row))


async def strike(session: Session, account_id: UUID, job_id: UUID | None, verdict: Ruling) -> None:
    """A prompt or a picture of this account was blocked. The prompt itself is not repeated here."""
    detail = {
        "job": None if job_id is None else str(job_id),
        "decision": str(verdict.decision),
        "category": str(verdict.category),
        "score": verdict.score,
        "rule": verdict.rule,
        "policy": verdict.policy,
    }
    await audit(session, FILTER, "strike", f"account:{account_id}", detail)
