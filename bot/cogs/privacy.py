"""/privacy: take along what is kept of you, or have it deleted."""

import asyncio
import logging
from collections.abc import Sequence
from io import BytesIO
from uuid import UUID

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action
from bot.mail import Later, Mail, Shut
from bot.modals import filled_in, open_form
from bot.privacycards import CONFIRMATION, erased_card, export_card, forget_form
from bot.reception import Handler, Interaction, open_private, tell
from shared.errors import Refusal
from shared.jobs import Route
from shared.oversight.privacy import Privacy as Desk

log = logging.getLogger(__name__)

TRIES = 3


class Privacy(commands.GroupCog, group_name="privacy", group_description="What is kept of you"):
    def __init__(self, desk: Desk, mail: Mail) -> None:
        self._desk = desk
        self._mail = mail
        self._removing: set[asyncio.Task[None]] = set()

    @app_commands.command(description="Everything that is kept of you, as a file")
    async def export(self, interaction: Interaction) -> None:
        await open_private(interaction)
        found = await self._desk.export(str(interaction.user.id))
        file = discord.File(BytesIO(found.data), "pictor-export.zip")
        await tell(interaction, export_card(found), file)

    @app_commands.command(description="Delete what is kept of you; this cannot be undone")
    async def delete(self, interaction: Interaction) -> None:
        await open_form(interaction, forget_form(UUID(int=interaction.user.id)))

    def forms(self) -> dict[Action, Handler]:
        return {Action.FORGET: self._forget}

    async def _forget(self, interaction: Interaction, press: Press) -> None:
        """Whoever sent the form is deleted, whatever its id says."""
        await open_private(interaction)
        if filled_in(interaction).get("word", "") != CONFIRMATION:
            sentence = f"You did not type {CONFIRMATION}, so nothing was deleted."
            raise Refusal("not_confirmed", sentence, field="word")
        erased = await self._desk.delete(str(interaction.user.id))
        task = asyncio.create_task(self._remove(erased.messages))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)
        await tell(interaction, erased_card(erased))

    async def cog_unload(self) -> None:
        for task in self._removing:
            task.cancel()

    async def _remove(self, messages: Sequence[Route]) -> None:
        """Their rows are gone already, so what Discord refuses stays there and is only counted."""
        left = 0
        for route in messages:
            left += not await self._removed(route)
        if left:
            log.warning("%d of %d messages of a deleted person stay", left, len(messages))

    async def _removed(self, route: Route) -> bool:
        for attempt in range(TRIES):
            try:
                await self._mail.erase(route)
            except Later as later:
                await asyncio.sleep(max(later.after_s, 2.0**attempt))
            except Shut:
                return False
            else:
                return True
        return False
