"""Vary Region: the picture under a grid, cells to tap, words for it. All that is chosen stands in the draft."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID
from weakref import WeakValueDictionary

from bot.buttons import Press
from bot.cards import Action
from bot.forms import PROMPT, WORDS, region_form
from bot.modals import filled_in, open_form
from bot.parcels import file_of
from bot.reception import (
    Handler,
    Interaction,
    Reception,
    open_private,
    tell,
    turn_into,
    venue_of,
)
from bot.regioncards import region_card
from bot.regions import CELLS
from bot.tiles import Tiles
from shared.admission import FrontDesk
from shared.errors import Refusal
from shared.orders import Ask, Person
from shared.rewording import new_words

REGION = "region"  # the kind of its draft, and its verb


class Region:
    """Buttons and a form: there is no command, because a region is always of a picture."""

    def __init__(self, desk: FrontDesk, reception: Reception, tiles: Tiles) -> None:
        self._desk = desk
        self._reception = reception
        self._tiles = tiles
        self._painting: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def presses(self) -> dict[Action, Handler]:
        return {
            Action.REGION: self._open,
            Action.CELL: self._tap,
            Action.CLEAR: self._clear,
            Action.WORDS: self._ask_words,
        }

    def forms(self) -> dict[Action, Handler]:
        return {Action.WORDS: self._take_words}

    async def _open(self, interaction: Interaction, press: Press) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        await self._desk.job(person, press.subject)  # of somebody else's picture nothing is shown
        ask = Ask(
            REGION,
            person,
            venue_of(interaction),
            str(interaction.id),
            None,
            job_id=press.subject,
            index=press.index,
        )
        picture = await self._tiles.sketch(ask)
        card = region_card(ask, await self._desk.draft(person, REGION, ask))
        await tell(interaction, card, file_of(card, picture))

    async def _tap(self, interaction: Interaction, press: Press) -> None:
        """Tapped cells and named words are two ways to say the same: the last one counts."""
        if press.index >= CELLS:
            raise Refusal("invalid_value", "There is no such cell.", field="cells")
        await self._change(
            interaction, press, lambda ask: replace(ask.tapped(press.index), words="")
        )

    async def _clear(self, interaction: Interaction, press: Press) -> None:
        await self._change(interaction, press, lambda ask: replace(ask, cells=(), words=""))

    async def _ask_words(self, interaction: Interaction, press: Press) -> None:
        person = await self._reception.person(interaction)
        ask = await self._desk.read_draft(person, press.subject)
        prompt = ask.text or (await self._desk.job(person, _job_id(ask))).prompt
        await open_form(interaction, region_form(press.subject, prompt=prompt, words=ask.words))

    async def _take_words(self, interaction: Interaction, press: Press) -> None:
        person = await self._reception.person(interaction)
        ask = await self._desk.read_draft(person, press.subject)
        job, said = await self._desk.job(person, _job_id(ask)), filled_in(interaction)
        text, words = new_words(said.get(PROMPT, ""), job), said.get(WORDS, "")
        await self._change(interaction, press, lambda one: _worded(one, text, words))

    async def _change(
        self, interaction: Interaction, press: Press, changed: Callable[[Ask], Ask]
    ) -> None:
        """Two quick taps stand in a row: each shows what both of them made."""
        await interaction.response.defer()
        person = await self._reception.person(interaction)
        await self._desk.change_draft(person, press.subject, changed)
        async with self._painting.setdefault(press.subject, asyncio.Lock()):
            await self._paint(interaction, person, press.subject)

    async def _paint(self, interaction: Interaction, person: Person, draft_id: UUID) -> None:
        ask = await self._desk.read_draft(person, draft_id)
        card = region_card(ask, draft_id)
        await turn_into(interaction, card, file_of(card, await self._tiles.sketch(ask)))


def check_region(ask: Ask) -> None:
    if not ask.cells and not ask.words.strip():
        sentence = "Tap at least one cell, or name the part in words, and then Draw."
        raise Refusal("no_region", sentence, field="cells")


def _worded(ask: Ask, text: str, words: str) -> Ask:
    cells = () if words else ask.cells
    return replace(ask, text=text, words=words, cells=cells)


def _job_id(ask: Ask) -> UUID:
    assert ask.job_id is not None, "a region is always of a job"
    return ask.job_id
