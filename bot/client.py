"""The connection to Discord: few intents, small caches, one place for errors."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.answers import outdated_card
from bot.buttons import Press, PressButton, read_press
from bot.cards import Action
from bot.courier import Courier
from bot.reception import Handler, Interaction, answer_error, tell
from bot.traffic import traced
from bot.travel import pack
from bot.workload import Workload
from shared.errors import Fault
from shared.pace import Pace

log = logging.getLogger(__name__)

# After 1,000 logins in a day Discord ends every session and resets the token.
LOGINS_TO_KEEP = 100
SYNC_AGAIN_S = 30.0
# What makes two commands the same to a person; Discord adds ids, versions and defaults of its own.
_TOLD = ("name", "description", "type", "required", "autocomplete", "value", "nsfw")
_NUMBERS = ("default_member_permissions", "min_value", "max_value", "min_length", "max_length")
_LISTED = ("options", "choices")
_OLD_BUTTON = (
    "This button comes from a version that is gone. Use /imagine, or a newer message's button."
)


class Tree(app_commands.CommandTree["PictorBot"]):
    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("a picker failed: %s", error)  # a picker shows lists, not sentences
            return
        await answer_error(interaction, error)


class PictorBot(commands.Bot):
    def __init__(self, pace: Pace | None = None) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=Tree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            activity=discord.CustomActivity("/imagine"),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=30.0,
            http_trace=traced(pace or Pace()),
        )
        self.workload = Workload()
        self._courier: Courier | None = None
        self._presses: Mapping[Action, Handler] = {}
        self._forms: Mapping[Action, Handler] = {}
        self._cogs: Sequence[commands.Cog] = ()
        self._watches: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
        self._background: set[asyncio.Task[None]] = set()

    def install(
        self,
        courier: Courier,
        cogs: Sequence[commands.Cog],
        *,
        presses: Mapping[Action, Handler],
        forms: Mapping[Action, Handler] | None = None,
        watches: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """`watches` run beside the courier for as long as the bot does."""
        self._courier, self._cogs, self._watches = courier, cogs, watches
        self._presses, self._forms = presses, forms or {}

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """discord.py tells of every interaction here, in the moment that it comes."""
        if event == "interaction":
            self.workload.arrived(args[0])
        super().dispatch(event, *args, **kwargs)

    async def setup_hook(self) -> None:
        assert self._courier is not None, "install() comes before login()"
        for cog in self._cogs:
            await self.add_cog(cog)
        pack(self.tree)
        self.add_dynamic_items(PressButton)
        watches = [watch() for watch in self._watches]
        for work in (self._courier.run(), self._publish_commands(), *watches):
            task = asyncio.create_task(work)
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        while self._background:  # more than once, for a library that swallows a cancellation
            for task in self._background:
                task.cancel()
            await asyncio.wait(list(self._background), timeout=1)
        await super().close()

    async def guard_logins(self) -> None:
        """Refuses to use up the day's logins; raises before the gateway is touched."""
        _, _, limit = await self.http.get_bot_gateway()
        if limit["remaining"] < LOGINS_TO_KEEP:
            hours = limit["reset_after"] / 3_600_000
            sentence = (
                f"Only {limit['remaining']} of {limit['total']} logins are left for this token. "
                f"Something restarts the bot too often; the count is reset in {hours:.1f} hours."
            )
            raise Fault("logins_spent", sentence)

    async def pressed(self, interaction: Interaction, press: Press) -> None:
        await self._handle(interaction, self._presses.get(press.action), press)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Forms that were sent in, and what no button of ours claims: a person gets an answer."""
        data: Mapping[str, Any] = interaction.data or {}
        press = read_press(str(data.get("custom_id", "")))
        if interaction.type is discord.InteractionType.modal_submit:
            handler = self._forms.get(press.action) if press else None
            await self._handle(interaction, handler, press)
        elif interaction.type is discord.InteractionType.component and press is None:
            await self._handle(interaction, None, None)

    async def _handle(
        self, interaction: Interaction, handler: Handler | None, press: Press | None
    ) -> None:
        try:
            if handler is None or press is None:
                await tell(interaction, outdated_card(_OLD_BUTTON))
            else:
                await handler(interaction, press)
        except Exception as error:
            await answer_error(interaction, error)

    async def _publish_commands(self) -> None:
        while True:
            try:
                await self.publish_commands()
                return
            except (discord.DiscordException, OSError, TimeoutError) as error:
                log.warning("commands not published yet: %s", error)
            await asyncio.sleep(SYNC_AGAIN_S)

    async def publish_commands(self) -> bool:
        """Publishes only what changed: Discord counts 200 a day."""
        assert self.application_id is not None, "known since login"
        ours = [command.to_dict(self.tree) for command in self.tree.get_commands()]
        theirs = await self.http.get_global_commands(self.application_id)
        if told(ours) == told(theirs):
            return False
        await self.tree.sync()
        log.info("published %d commands", len(ours))
        return True


def told(commands_: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What a list of commands tells people, in one order, without empty fields."""
    return sorted((_told(command) for command in commands_), key=lambda fields: str(fields["name"]))


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: fields[key] for key in _TOLD if fields.get(key)}
    numbers = {key: int(fields[key]) for key in _NUMBERS if fields.get(key) is not None}
    lists = {key: [_told(item) for item in fields[key]] for key in _LISTED if fields.get(key)}
    return {**plain, **numbers, **lists, **_places(fields), **_installs(fields)}


def _installs(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Servers alone (0) are what Discord takes when nothing is said."""
    types = sorted(fields.get("integration_types") or [0])
    return {"integration_types": types} if types != [0] else {}


def _places(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Only on servers (0) or elsewhere too: discord.py says one way what Discord gives back another."""
    if contexts := fields.get("contexts"):
        return {"contexts": sorted(contexts)}
    return {"contexts": [0]} if fields.get("dm_permission") is False else {}
