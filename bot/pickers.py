"""Choices of a box as Discord has them. A box that nobody can fill in time offers nothing."""

import asyncio
import logging
from collections.abc import Iterable

from discord import app_commands

from bot.answers import choice_label
from bot.reception import Interaction, Reception, venue_of
from bot.suggestions import Entry, Shelf, brought, label, offered
from shared.admission import FrontDesk
from shared.errors import Fault, Refusal

log = logging.getLogger(__name__)

PICKER_S = 2.0  # Discord waits three seconds for a picker
Choices = list[app_commands.Choice[str]]


def choices_of(entries: Iterable[Entry]) -> Choices:
    return [app_commands.Choice(name=label(one), value=one.name) for one in entries]


def plain_choices(texts: Iterable[str]) -> Choices:
    return [app_commands.Choice(name=text, value=text) for text in texts]


class Pickers:
    """One for all commands: what the catalog has, and what somebody drew."""

    def __init__(self, desk: FrontDesk, reception: Reception, shelf: Shelf) -> None:
        self._desk, self._reception, self.shelf = desk, reception, shelf

    async def model(self, _: Interaction, current: str) -> Choices:
        return self._named("model", current)

    async def style(self, _: Interaction, current: str) -> Choices:
        return self._named("style", current)

    async def lora(self, interaction: Interaction, current: str) -> Choices:
        """What people brought first: it is what they look for."""
        shelf = await self.with_brought(interaction)
        return choices_of(offered(shelf["lora"], current))

    async def with_brought(self, interaction: Interaction) -> Shelf:
        """The catalog's, and the LoRAs that this person may use here; alone, when those do not come in time."""
        try:
            async with asyncio.timeout(PICKER_S):
                person = await self._reception.person(interaction)
                guild_id = venue_of(interaction).guild_id
                own, others = await self._desk.brought(person, guild_id)
        except (Refusal, Fault, TimeoutError) as error:
            log.info("a picker knows the catalog alone: %s", type(error).__name__)
            return self.shelf
        return {**self.shelf, "lora": (*brought(own, others), *self.shelf["lora"])}

    async def sampler(self, _: Interaction, current: str) -> Choices:
        return self._named("sampler", current)

    async def job(self, interaction: Interaction, current: str) -> Choices:
        """By words of its prompt, or the beginning of its number; whatever became of it."""
        try:
            async with asyncio.timeout(PICKER_S):
                person = await self._reception.person(interaction)
                jobs = await self._desk.find(person, current.strip())
        except (Refusal, Fault, TimeoutError) as error:
            log.info("a picker of jobs stays empty: %s", type(error).__name__)
            return []
        return [app_commands.Choice(name=choice_label(job), value=job.id.hex) for job in jobs]

    def _named(self, parameter: str, current: str) -> Choices:
        return choices_of(offered(self.shelf.get(parameter, ()), current))
