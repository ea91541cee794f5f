"""The buttons under pictures: enlarge, vary, reroll, zoom, pan, square; other words for them; favourites."""

import asyncio
import logging
from dataclasses import replace

from bot.asks import WISHES, ask_of
from bot.buttons import Press
from bot.cards import Action
from bot.confirmcards import favourite_card
from bot.forms import (
    PROMPT,
    REMIXED,
    TEXT_MOST,
    remix_form,
    remixed_press,
    zoom_form,
)
from bot.modals import filled_in, open_form
from bot.ordering import Ordering
from bot.reception import (
    Handler,
    Interaction,
    Reception,
    open_private,
    open_public,
    tell,
    venue_of,
)
from shared.admission import FrontDesk
from shared.errors import Fault, Refusal
from shared.orders import Person
from shared.rewording import new_words, read_zoom

log = logging.getLogger(__name__)

ASKED_WITHIN_S = 1.5  # a form must be the first answer, and Discord waits three seconds for that


class Pictures:
    """Whose job it is and what it allows, the desk reads in the database at each press."""

    def __init__(self, desk: FrontDesk, reception: Reception, ordering: Ordering) -> None:
        self._desk = desk
        self._reception = reception
        self._ordering = ordering

    def presses(self) -> dict[Action, Handler]:
        return {
            **dict.fromkeys(WISHES, self._draw),
            **dict.fromkeys(REMIXED, self._draw_or_ask),
            Action.ZOOM_CUSTOM: self._ask_zoom,
            Action.FAVOURITE: self._favourite,
        }

    def forms(self) -> dict[Action, Handler]:
        return {Action.REMIX: self._remix, Action.ZOOM_CUSTOM: self._zoom}

    async def _draw(self, interaction: Interaction, press: Press) -> None:
        route = await open_public(interaction)
        person = await self._reception.person(interaction)
        venue, key = venue_of(interaction), str(interaction.id)
        ask = ask_of(press, person, venue=venue, key=key, route=route)
        await self._ordering.order(interaction, ask)

    async def _draw_or_ask(self, interaction: Interaction, press: Press) -> None:
        """Who likes to remix is asked for other words first."""
        person = await self._reception.person(interaction)
        prompt = await self._prompt_to_remix(person, press)
        if prompt is None:
            await self._draw(interaction, press)
        else:
            await open_form(interaction, remix_form(press, prompt))

    async def _prompt_to_remix(self, person: Person, press: Press) -> str | None:
        """None for who does not, and where nobody can say in time: the button then does its plain work."""
        try:
            async with asyncio.timeout(ASKED_WITHIN_S):
                if not (await self._desk.preferences(person)).remix:
                    return None
                prompt = (await self._desk.job(person, press.subject)).prompt
        except (Fault, Refusal, TimeoutError) as error:
            log.info("nobody is asked for other words: %s", error)
            return None
        return prompt if len(prompt) <= TEXT_MOST else None

    async def _remix(self, interaction: Interaction, sent: Press) -> None:
        press, typed = remixed_press(sent), filled_in(interaction).get(PROMPT, "")
        route = await open_public(interaction)
        person = await self._reception.person(interaction)
        words = new_words(typed, await self._desk.job(person, press.subject))
        venue, key = venue_of(interaction), str(interaction.id)
        ask = ask_of(press, person, venue=venue, key=key, route=route, text=words)
        await self._ordering.order(interaction, ask)

    async def _ask_zoom(self, interaction: Interaction, press: Press) -> None:
        person = await self._reception.person(interaction)
        job = await self._desk.job(person, press.subject)
        await open_form(interaction, zoom_form(press, job.prompt))

    async def _zoom(self, interaction: Interaction, press: Press) -> None:
        typed, factor = read_zoom(filled_in(interaction).get(PROMPT, ""))
        route = await open_public(interaction)
        person = await self._reception.person(interaction)
        words = new_words(typed, await self._desk.job(person, press.subject))
        wish = Press(Action.ZOOM_MORE, press.subject, press.index)
        venue, key = venue_of(interaction), str(interaction.id)
        ask = ask_of(wish, person, venue=venue, key=key, route=route, text=words)
        await self._ordering.order(interaction, replace(ask, factor=factor))

    async def _favourite(self, interaction: Interaction, press: Press) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        liked = await self._desk.favourite(person, press.subject, press.index)
        await tell(interaction, favourite_card(liked=liked))
