"""What each account has set for its prompts, in Postgres."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.preferences import Preferences
from shared.tradetables import preferences


async def read(session: Session, account_id: UUID) -> Preferences:
    """The usual ones where nothing was set yet."""
    query = select(preferences.c.chosen).where(preferences.c.account_id == account_id)
    return preferences_from((await session.execute(query)).scalar_one_or_none())


async def write(session: Session, account_id: UUID, chosen: Preferences) -> None:
    told = {"chosen": msgspec.to_builtins(chosen), "changed_at": func.clock_timestamp()}
    statement = insert_row(preferences).values(account_id=account_id, **told)
    await session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=told))


def preferences_from(told: Any) -> Preferences:
    """What an older version wrote and this one no longer reads is forgotten, not an error."""
    try:
        return msgspec.convert(told or {}, Preferences, strict=False)
    except msgspec.ValidationError:
        return Preferences()
