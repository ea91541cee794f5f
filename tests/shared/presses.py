"""Buttons under a picture, as the bot asks the desk for them."""

from typing import Any
from uuid import UUID

from shared.admission import FrontDesk, Person, Receipt
from shared.orders import NOWHERE, Ask, Venue


async def press(
    desk: FrontDesk,
    verb: str,
    person: Person,
    job_id: UUID,
    index: int = 0,
    *,
    key: str,
    venue: Venue = NOWHERE,
    **fields: Any,
) -> Receipt:
    told: dict[str, Any] = {"route": None} | fields
    return await desk.ask(Ask(verb, person, venue, key, job_id=job_id, index=index, **told))
