"""/describe and /shorten: a text service proposes prompts, and their numbers draw them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action
from bot.cogs.verify import shown_in
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
from bot.wordcards import described_card, shortened_card
from shared.admission import FrontDesk, Person
from shared.darkroom import too_large
from shared.errors import Fault, Refusal
from shared.miniatures import MOST_BYTES
from shared.orders import Ask
from shared.wordsmith import Wordsmith

PROPOSED = "proposed"  # the kind of a draft with one prompt a line


class Wording(commands.Cog):
    def __init__(
        self,
        wordsmith: Wordsmith,
        *,
        desk: FrontDesk,
        reception: Reception,
        ordering: Ordering,
        tree: app_commands.CommandTree[Any],
    ) -> None:
        self._wordsmith, self._desk, self._reception = wordsmith, desk, reception
        self._ordering, self._tree = ordering, tree
        self._menu = app_commands.ContextMenu(name="Describe", callback=self.describe_message)

    async def cog_load(self) -> None:
        self._tree.add_command(self._menu)

    async def cog_unload(self) -> None:
        await self._wordsmith.close()

    @app_commands.command(description="Four prompts that could have led to a picture")
    @app_commands.describe(picture="The picture itself", link="Or where it lies: an https link")
    async def describe(
        self,
        interaction: Interaction,
        picture: discord.Attachment | None = None,
        link: str | None = None,
    ) -> None:
        await open_private(interaction)
        self._wordsmith.check(sees=True)
        await self._describe(interaction, await self._brought(picture, link))

    async def describe_message(self, interaction: Interaction, message: discord.Message) -> None:
        await open_private(interaction)
        self._wordsmith.check(sees=True)
        file = next(iter(message.attachments), None)
        await self._describe(interaction, await self._brought(file, shown_in(message)))

    @app_commands.command(description="Which words of a prompt matter, and shorter ones")
    @app_commands.describe(prompt="Its parameters stay as they are")
    async def shorten(self, interaction: Interaction, prompt: str) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        found = await self._wordsmith.shorten(person, prompt)
        draft_id = await self._kept(interaction, person, found.prompts)
        await tell(interaction, shortened_card(found.words, found.prompts, draft_id))

    def presses(self) -> dict[Action, Handler]:
        return {Action.DRAW: self._draw}

    async def _draw(self, interaction: Interaction, press: Press) -> None:
        """Each press draws it, as often as it is pressed."""
        route = await open_public(interaction)
        person = await self._reception.person(interaction)
        prompts = (await self._desk.read_draft(person, press.subject)).text.splitlines()
        if press.index >= len(prompts):
            raise Refusal("unknown_draft", "There is no prompt of that number.")
        venue, key = venue_of(interaction), str(interaction.id)
        ask = Ask("imagine", person, venue, key, route, text=prompts[press.index])
        await self._ordering.order(interaction, ask)

    async def _describe(self, interaction: Interaction, picture: bytes) -> None:
        person = await self._reception.person(interaction)
        prompts = await self._wordsmith.describe(person, picture)
        draft_id = await self._kept(interaction, person, prompts)
        await tell(interaction, described_card(prompts, draft_id))

    async def _kept(self, interaction: Interaction, person: Person, prompts: Sequence[str]) -> UUID:
        venue, key = venue_of(interaction), str(interaction.id)
        proposed = Ask("imagine", person, venue, key, None, text="\n".join(prompts))
        return await self._desk.draft(person, PROPOSED, proposed)

    async def _brought(self, file: discord.Attachment | None, link: str | None) -> bytes:
        if file is not None:
            return await read_file(file)
        if link:
            return await self._wordsmith.fetched(link)
        raise Refusal("no_picture", "Attach a picture, or give a link to one.", field="picture")


async def read_file(file: discord.Attachment) -> bytes:
    if file.size > MOST_BYTES:
        raise too_large()
    try:
        return await file.read()
    except discord.HTTPException as error:
        sentence = "Discord did not hand the file out. Please try again."
        raise Fault("no_attachment", sentence, retryable=True) from error
