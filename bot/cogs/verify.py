"""/verify, and the same from a message's menu: was this picture made here?"""

from collections.abc import Iterable, Iterator
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.reception import Interaction, Reception, open_private, tell
from bot.seats import seat
from bot.verifycards import verdict_card
from shared.admission import FrontDesk
from shared.attestation import Answer
from shared.errors import Fault, Refusal
from shared.oversight.house import House
from shared.witness import Witness, check_size, for_asker


class Verify(commands.Cog):
    def __init__(
        self,
        witness: Witness,
        *,
        desk: FrontDesk,
        house: House,
        reception: Reception,
        tree: app_commands.CommandTree[Any],
    ) -> None:
        self._witness, self._desk, self._house = witness, desk, house
        self._reception, self._tree = reception, tree
        self._menu = app_commands.ContextMenu(name="Verify", callback=self.verify_message)

    async def cog_load(self) -> None:
        self._tree.add_command(self._menu)

    @app_commands.command(description="Was this picture made here, and what was done to it since?")
    @app_commands.describe(picture="The picture itself", link="Or where it lies: an https link")
    async def verify(
        self,
        interaction: Interaction,
        picture: discord.Attachment | None = None,
        link: str | None = None,
    ) -> None:
        await open_private(interaction)
        if picture is not None:
            await self._answer(interaction, await self._about_file(interaction, picture))
        elif link is not None:
            await self._answer(interaction, await self._about_link(interaction, link))
        else:
            raise Refusal("no_picture", "Attach a picture, or give a link to one.", field="picture")

    async def verify_message(self, interaction: Interaction, message: discord.Message) -> None:
        await open_private(interaction)
        if message.attachments:
            told = await self._about_file(interaction, message.attachments[0])
        elif link := shown_in(message):
            told = await self._about_link(interaction, link)
        else:
            raise Refusal("no_picture", "That message shows no picture.")
        await self._answer(interaction, told)

    async def _about_file(self, interaction: Interaction, file: discord.Attachment) -> Answer:
        check_size(file.size)
        try:
            data = await file.read()
        except discord.HTTPException as error:
            sentence = "Discord did not hand the file out. Please try again."
            raise Fault("no_attachment", sentence, retryable=True) from error
        account = await self._desk.account(await self._reception.person(interaction))
        return await self._witness.ask(account.id, data)

    async def _about_link(self, interaction: Interaction, link: str) -> Answer:
        account = await self._desk.account(await self._reception.person(interaction))
        return await self._witness.ask_about(account.id, link.strip().strip("<>"))

    async def _answer(self, interaction: Interaction, told: Answer) -> None:
        answer = for_asker(told, await seat(self._house, interaction))
        await tell(interaction, verdict_card(answer, await self._witness.told_in(answer.job)))


def shown_in(message: discord.Message) -> str:
    """The first picture that it shows in an embed or a gallery."""
    slots = [slot.url for embed in message.embeds for slot in (embed.image, embed.thumbnail)]
    return next((url for url in (*slots, *_gallery_urls(message.components)) if url), "")


def _gallery_urls(components: Iterable[Any]) -> Iterator[str]:
    for component in components:
        if isinstance(component, discord.MediaGalleryComponent):
            yield from (item.media.url for item in component.items)
        yield from _gallery_urls(getattr(component, "children", ()))
