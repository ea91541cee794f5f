"""/report, and the same from a message's menu: somebody says that a picture should not be there."""

import re
from typing import Any
from uuid import UUID

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action
from bot.modals import filled_in, open_form
from bot.modcards import REASONS, report_form, reported_card
from bot.reception import Handler, Interaction, Reception, open_private, tell
from shared.errors import Refusal
from shared.oversight.voices import Voices

_MESSAGE = re.compile(r"/channels/(?:\d+|@me)/\d+/(?P<message>\d+)/?$")
_JOB = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.I)
_REASONS = [app_commands.Choice(name=label, value=value) for value, label in REASONS]


class Reports(commands.Cog):
    def __init__(
        self, voices: Voices, reception: Reception, tree: app_commands.CommandTree[Any]
    ) -> None:
        self._voices = voices
        self._reception = reception
        self._tree = tree
        self._menu = app_commands.ContextMenu(name="Report", callback=self.report_message)
        self._menu.guild_only = True

    async def cog_load(self) -> None:
        self._tree.add_command(self._menu)

    @app_commands.command(description="Tell the moderators that a picture should not be there")
    @app_commands.describe(
        picture="Its message's link, its own link, or its job's id",
        reason="What is wrong with it",
        text="What a moderator should know",
    )
    @app_commands.choices(reason=_REASONS)
    @app_commands.guild_only()
    async def report(
        self, interaction: Interaction, picture: str, reason: str, text: str = ""
    ) -> None:
        await open_private(interaction)
        await self._report(interaction, await self._job_of(picture), reason, text)

    async def report_message(self, interaction: Interaction, message: discord.Message) -> None:
        """A form must be the first answer, and come within three seconds."""
        job_id = await self._voices.pictured(str(message.id))
        await open_form(interaction, report_form(job_id))

    def forms(self) -> dict[Action, Handler]:
        return {Action.REPORT: self._filled}

    async def _filled(self, interaction: Interaction, press: Press) -> None:
        await open_private(interaction)
        said = filled_in(interaction)
        await self._report(
            interaction, press.subject, said.get("reason", "other"), said.get("text", "")
        )

    async def _report(self, interaction: Interaction, job_id: UUID, reason: str, text: str) -> None:
        person = await self._reception.person(interaction)
        guild_id = str(interaction.guild_id) if interaction.guild_id else None
        await self._voices.report(person, job_id, guild_id=guild_id, reason=reason, text=text)
        await tell(interaction, reported_card())

    async def _job_of(self, picture: str) -> UUID:
        if message := _MESSAGE.search(picture.strip()):
            return await self._voices.pictured(message["message"])
        if job := _JOB.search(picture):
            return UUID(job[0])
        sentence = (
            "I cannot tell which picture that is. Use the message's menu: Apps, then Report;"
            " or copy the message's link."
        )
        raise Refusal("unknown_picture", sentence, field="picture")
