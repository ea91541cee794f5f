"""Yes and No under what was drafted: many jobs, a region."""

from bot.buttons import Press
from bot.cards import Action
from bot.cogs.region import REGION, check_region
from bot.confirmcards import discarded_card
from bot.ordering import Ordering
from bot.reception import Handler, Interaction, Reception, turn_into
from shared.admission import FrontDesk


class Drafts:
    def __init__(self, desk: FrontDesk, reception: Reception, ordering: Ordering) -> None:
        self._desk = desk
        self._reception = reception
        self._ordering = ordering

    def presses(self) -> dict[Action, Handler]:
        return {Action.CONFIRM: self._confirm, Action.DISCARD: self._discard}

    async def _confirm(self, interaction: Interaction, press: Press) -> None:
        await interaction.response.defer()
        ask = await self._desk.read_draft(await self._reception.person(interaction), press.subject)
        if ask.verb == REGION:
            check_region(ask)
        await self._ordering.confirm(interaction, press.subject)

    async def _discard(self, interaction: Interaction, press: Press) -> None:
        """Gone: a Yes that was pressed in the same moment loses against it, or wins."""
        await interaction.response.defer()
        person = await self._reception.person(interaction)
        await self._desk.discard_draft(person, press.subject)
        await turn_into(interaction, discarded_card())
