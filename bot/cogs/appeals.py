"""The Appeal button under what was blocked."""

from bot.buttons import Press
from bot.cards import Action
from bot.modals import filled_in, open_form
from bot.modcards import appeal_form, appealed_card
from bot.reception import Handler, Interaction, Reception, open_private, tell
from shared.oversight.voices import Voices


class Appeals:
    """Buttons and forms alone: there is no command, because an appeal is always about something."""

    def __init__(self, voices: Voices, reception: Reception) -> None:
        self._voices = voices
        self._reception = reception

    def presses(self) -> dict[Action, Handler]:
        return {Action.APPEAL: self._ask}

    def forms(self) -> dict[Action, Handler]:
        return {Action.APPEAL: self._appeal}

    async def _ask(self, interaction: Interaction, press: Press) -> None:
        await open_form(interaction, appeal_form(press.subject))

    async def _appeal(self, interaction: Interaction, press: Press) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        await self._voices.appeal(person, press.subject, filled_in(interaction).get("text", ""))
        await tell(interaction, appealed_card())
