"""/describe and /shorten: a text service proposes prompts, and their numbers draw them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action
from bot.cogs.verify import shown_in
from bot.darkroom import Darkroom, too_large
from bot.miniatures import MOST_BYTES, Miniature
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
from shared.errors import Fault, Refusal
from shared.limits import check_standing
from shared.orders import Ask
from shared.replies import parted
from shared.safefetch import fetch
from shared.scribe import Scribe

PROPOSED = "proposed"  # the kind of a draft with one prompt a line


class Wording(commands.Cog):
    def __init__(
        self,
        scribe: Scribe,
        *,
        desk: FrontDesk,
        reception: Reception,
        ordering: Ordering,
        tree: app_commands.CommandTree[Any],
        origins: Collection[str],
    ) -> None:
        """Links to `origins`, our own, need not be public."""
        self._scribe, self._desk, self._reception = scribe, desk, reception
        self._ordering, self._tree, self._origins = ordering, tree, origins
        self._darkroom = Darkroom()
        self._menu = app_commands.ContextMenu(name="Describe", callback=self.describe_message)

    async def cog_load(self) -> None:
        self._tree.add_command(self._menu)

    async def cog_unload(self) -> None:
        await self._scribe.close()
        await self._darkroom.close()

    @app_commands.command(description="Four prompts that could have led to a picture")
    @app_commands.describe(picture="The picture itself", link="Or where it lies: an https link")
    async def describe(
        self,
        interaction: Interaction,
        picture: discord.Attachment | None = None,
        link: str | None = None,
    ) -> None:
        await open_private(interaction)
        self._scribe.check(sees=True)
        await self._describe(interaction, await self._looked_at(picture, link))

    async def describe_message(self, interaction: Interaction, message: discord.Message) -> None:
        await open_private(interaction)
        self._scribe.check(sees=True)
        file = next(iter(message.attachments), None)
        await self._describe(interaction, await self._looked_at(file, shown_in(message)))

    @app_commands.command(description="Which words of a prompt matter, and shorter ones")
    @app_commands.describe(prompt="Its parameters stay as they are")
    async def shorten(self, interaction: Interaction, prompt: str) -> None:
        await open_private(interaction)
        self._scribe.check()
        parts = parted(prompt)
        if not parts.words:
            sentence = "There are no words to shorten in this prompt."
            raise Refusal("empty_prompt", sentence, field="prompt")
        person = await self._known(interaction)
        self._scribe.check_words(parts.words)
        with self._scribe.turn(person.discord_id):
            found = await self._scribe.shorten(parts.words)
        prompts = [parts.around(words) for words in found.prompts]
        draft_id = await self._kept(interaction, person, prompts)
        await tell(interaction, shortened_card(found.words, prompts, draft_id))

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

    async def _describe(self, interaction: Interaction, seen: Miniature) -> None:
        person = await self._known(interaction)
        with self._scribe.turn(person.discord_id):
            found = await self._scribe.describe(seen.jpeg)
        prompts = [f"{words} --ar {seen.shape}" for words in found]
        draft_id = await self._kept(interaction, person, prompts)
        await tell(interaction, described_card(prompts, draft_id))

    async def _known(self, interaction: Interaction) -> Person:
        """Whoever may not draw is not worked for either."""
        person = await self._reception.person(interaction)
        check_standing((await self._desk.account(person)).standing)
        return person

    async def _kept(self, interaction: Interaction, person: Person, prompts: Sequence[str]) -> UUID:
        venue, key = venue_of(interaction), str(interaction.id)
        proposed = Ask("imagine", person, venue, key, None, text="\n".join(prompts))
        return await self._desk.draft(person, PROPOSED, proposed)

    async def _looked_at(self, file: discord.Attachment | None, link: str | None) -> Miniature:
        if file is not None:
            data = await read_file(file)
        elif link:
            data = await fetch(link.strip().strip("<>"), allowed=self._origins)
        else:
            raise Refusal("no_picture", "Attach a picture, or give a link to one.", field="picture")
        return await self._darkroom.develop(data)


async def read_file(file: discord.Attachment) -> bytes:
    if file.size > MOST_BYTES:
        raise too_large()
    try:
        return await file.read()
    except discord.HTTPException as error:
        sentence = "Discord did not hand the file out. Please try again."
        raise Fault("no_attachment", sentence, retryable=True) from error
