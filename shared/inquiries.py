"""Pictures that somebody wants to know about: the bot asks, the farm answers, both through rows.

The picture itself lies in the store under `inbox/` until it is answered; nothing serves it from there.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, insert, or_, select, update

from shared.attestation import INBOX, Answer
from shared.connections import Database, Session
from shared.errors import Fault, Refusal
from shared.peopletables import inquiries

MOST_OPEN = 3  # of one account: each is seconds of a processor
# Whoever took one and said nothing for so long has died with it.
LOST = timedelta(minutes=2)
LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Inquiry:
    id: UUID
    account_id: UUID | None
    key: str


def new_key() -> str:
    return f"{INBOX}{token_hex(16)}"


async def ask(session: Session, account_id: UUID | None, key: str) -> UUID:
    """Refusal for one too many of the same account."""
    mine = inquiries.c.account_id == account_id
    asked = select(func.count()).where(mine, inquiries.c.state == "open")
    if account_id is not None and (await session.execute(asked)).scalar_one() >= MOST_OPEN:
        sentence = "I am still looking at your other pictures. Please wait for these answers."
        raise Refusal("too_many_inquiries", sentence)
    row = {"account_id": account_id, "key": key}
    added = await session.execute(insert(inquiries).returning(inquiries.c.id), row)
    return UUID(str(added.scalar_one()))


async def take(session: Session) -> Inquiry | None:
    """The oldest that nobody is at; two who ask at once get two."""
    forgotten = inquiries.c.taken_at < func.clock_timestamp() - LOST
    free = or_(inquiries.c.taken_at.is_(None), forgotten)
    oldest = select(inquiries.c.id).where(inquiries.c.state == "open", free)
    oldest = oldest.order_by(inquiries.c.at).limit(1).with_for_update(skip_locked=True)
    statement = (
        update(inquiries)
        .where(inquiries.c.id == oldest.scalar_subquery())
        .values(taken_at=func.clock_timestamp())
        .returning(inquiries.c.id, inquiries.c.account_id, inquiries.c.key)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Inquiry(row.id, row.account_id, row.key)


async def answer(session: Session, id: UUID, told: Answer) -> None:
    await _end(session, id, "answered", msgspec.to_builtins(told))


async def fail(session: Session, id: UUID, refusal: Refusal) -> None:
    await _end(session, id, "failed", {"code": refusal.code, "sentence": refusal.sentence})


async def wait_for(database: Database, id: UUID, *, within_s: float) -> Answer:
    """Refusal when the picture could not be looked at; Fault when nobody has, for so long."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        async with database.read() as session:
            query = select(inquiries.c.state, inquiries.c.answer).where(inquiries.c.id == id)
            row = (await session.execute(query)).one_or_none()
        if row is not None and row.state == "failed":
            raise Refusal(row.answer["code"], row.answer["sentence"])
        if row is not None and row.state == "answered":
            return msgspec.convert(row.answer, Answer)
        await asyncio.sleep(LOOK_EVERY_S)
    sentence = "Nobody has come to look at it. Please try again in a moment."
    raise Fault("verify_late", sentence, retryable=True)


async def forget(session: Session, *, older_than: timedelta) -> int:
    """Who asked about which picture is nobody's business for long."""
    old = inquiries.c.at < func.clock_timestamp() - older_than
    gone = await session.execute(delete(inquiries).where(old).returning(inquiries.c.id))
    return len(gone.all())


async def _end(session: Session, id: UUID, state: str, told: dict[str, object]) -> None:
    """The first answer counts."""
    await session.execute(
        update(inquiries)
        .where(inquiries.c.id == id, inquiries.c.state == "open")
        .values(state=state, answer=told, answered_at=func.clock_timestamp())
    )
