"""From what somebody asks for to its message; where it makes many jobs, over a word in between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from bot.confirmcards import confirm_card, repeated_card, underway_card
from bot.reception import (
    Interaction,
    Reception,
    close_beside,
    open_beside,
    take_back,
    tell,
    turn_into,
    venue_of,
)
from shared.admission import FrontDesk
from shared.jobs import Route
from shared.orders import Ask, Unconfirmed

CONFIRMED_FIRST = "confirm"  # the kind of its draft


class Ordering:
    def __init__(self, desk: FrontDesk, reception: Reception) -> None:
        self._desk = desk
        self._reception = reception

    async def order(self, interaction: Interaction, ask: Ask) -> None:
        """The message that `interaction` was answered with becomes the job's. What wants a word first
        is asked in private, and the message is taken back."""
        try:
            receipt = await self._desk.ask(ask)
        except Unconfirmed as unconfirmed:
            draft_id = await self._desk.draft(ask.person, CONFIRMED_FIRST, ask)
            await take_back(interaction)
            await tell(interaction, confirm_card(unconfirmed.quote, draft_id))
            return
        await self._reception.accepted(interaction, receipt)

    async def confirm(self, interaction: Interaction, draft_id: UUID) -> None:
        """A private message's Yes, deferred: what was drafted gets messages of its own, once."""
        person = await self._reception.person(interaction)
        async with _beside(interaction) as route:
            venue = venue_of(interaction)
            receipt = await self._desk.confirm(person, draft_id, route=route, venue=venue)
        if not receipt.created:
            await close_beside(interaction, route)
            await turn_into(interaction, repeated_card())
            return
        await turn_into(interaction, underway_card(len(receipt.jobs)))
        await self._reception.accepted(interaction, receipt)


@asynccontextmanager
async def _beside(interaction: Interaction) -> AsyncIterator[Route]:
    """A message for all to see, which goes again when nothing comes of it."""
    route = await open_beside(interaction)
    try:
        yield route
    except BaseException:
        await close_beside(interaction, route)
        raise
