"""The audit book: who did what to whom. Rows are only ever added."""

from typing import Any

from sqlalchemy import insert

from shared.connections import Session
from shared.tables import audit as book

FILTER = "filter"  # the actor of what no person did


async def audit(
    session: Session, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None
) -> None:
    """`detail["guild"]` names the server whose moderators may hear of it."""
    row = {"actor": actor, "action": action, "subject": subject, "detail": detail or {}}
    await session.execute(insert(book).values(row))
