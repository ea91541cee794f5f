"""What somebody is about to ask for and has not confirmed: kept, changed, used once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import uploads
from shared.connections import Session
from shared.errors import Refusal
from shared.orders import Ask
from shared.tradetables import drafts

LIFE = timedelta(days=7)
_MINE = (drafts.c.id, drafts.c.account_id, drafts.c.ask, drafts.c.used_at)


async def keep(session: Session, account_id: UUID, kind: str, ask: Ask) -> UUID:
    row = {"account_id": account_id, "kind": kind, "ask": ask.told()}
    added = await session.execute(insert_row(drafts).returning(drafts.c.id), row)
    return UUID(str(added.scalar_one()))


async def read(session: Session, account_id: UUID, draft_id: UUID) -> Ask:
    """Also of one that was used. Refusal `unknown_draft`, `not_yours`."""
    query = select(*_MINE).where(drafts.c.id == draft_id)
    return _ask((await session.execute(query)).one_or_none(), account_id)


async def change(
    session: Session, account_id: UUID, draft_id: UUID, changed: Callable[[Ask], Ask]
) -> Ask:
    """Two changes at once stand in a row, and neither is lost. Refusal `draft_used` after its use."""
    query = select(*_MINE).where(drafts.c.id == draft_id).with_for_update()
    row = (await session.execute(query)).one_or_none()
    ask = changed(_ask(row, account_id))
    if row is not None and row.used_at is not None:
        raise _used()
    statement = update(drafts).where(drafts.c.id == draft_id).values(ask=ask.told())
    await session.execute(statement)
    return ask


async def take(session: Session, account_id: UUID, draft_id: UUID) -> Ask:
    """For one alone of all who take it at once; Refusal `draft_used` for the others."""
    free = (drafts.c.id == draft_id) & (drafts.c.account_id == account_id)
    statement = update(drafts).where(free, drafts.c.used_at.is_(None))
    statement = statement.values(used_at=func.clock_timestamp()).returning(drafts.c.ask)
    told = (await session.execute(statement)).scalar_one_or_none()
    if told is not None:
        return Ask.again(told, key_of(draft_id))
    await read(session, account_id, draft_id)
    raise _used()


async def freeze(session: Session, account_id: UUID, draft_id: UUID) -> Ask:
    """As it stands; from here on nobody changes it."""
    ask = await read(session, account_id, draft_id)
    free = (drafts.c.id == draft_id) & drafts.c.used_at.is_(None)
    statement = update(drafts).where(free).values(used_at=func.clock_timestamp())
    told = (await session.execute(statement.returning(drafts.c.ask))).scalar_one_or_none()
    return ask if told is None else Ask.again(told, key_of(draft_id))


async def discard(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """Gone for good: a Yes that comes after finds nothing. Refusal `draft_used` once it was confirmed."""
    mine = (drafts.c.id == draft_id) & (drafts.c.account_id == account_id)
    free = delete(drafts).where(mine, drafts.c.used_at.is_(None)).returning(drafts.c.id)
    if (await session.execute(free)).one_or_none() is None:
        await read(session, account_id, draft_id)
        raise _used()


async def put_back(session: Session, account_id: UUID, draft_id: UUID) -> None:
    """What became of it was a refusal: it can be confirmed again."""
    mine = (drafts.c.id == draft_id) & (drafts.c.account_id == account_id)
    await session.execute(update(drafts).where(mine).values(used_at=None))


async def forget(session: Session, *, older_than: timedelta) -> int:
    old = drafts.c.at < func.clock_timestamp() - older_than
    gone = await session.execute(delete(drafts).where(old).returning(drafts.c.id))
    return len(gone.all())


async def uploads_named(session: Session) -> set[str]:
    """Keys of the pictures that any draft brings."""
    told = cast(drafts.c.ask, Text)
    rows = await session.execute(select(told).where(told.contains(uploads.HOST)))
    return {key for one in rows.scalars() for key in uploads.named_in(one)}


def key_of(draft_id: UUID) -> str:
    """Of the submission that a draft becomes, whoever presses and however often."""
    return f"draft:{draft_id}"


def _ask(row: Any, account_id: UUID) -> Ask:
    if row is None:
        sentence = "This is no longer kept. Please ask for it again."
        raise Refusal("unknown_draft", sentence, field="draft")
    if row.account_id != account_id:
        sentence = "This was prepared by somebody else. Use /imagine to make one of your own."
        raise Refusal("not_yours", sentence, field="draft")
    return Ask.again(row.ask, key_of(row.id))


def _used() -> Refusal:
    return Refusal("draft_used", "This was confirmed already.", field="draft")
