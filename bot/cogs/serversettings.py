"""/admin settings, channels, models, limits: what a server's admins set for their own server."""

from collections.abc import Iterable
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.admincards import settings_card
from bot.reception import Interaction, open_private, tell
from bot.seats import seat
from shared.errors import Refusal
from shared.guilds import EVERYONE, MOST_COUNT, GuildSettings, Limits, Mature
from shared.oversight import administration
from shared.oversight.administration import Administration
from shared.oversight.house import House
from shared.plans import PlanBook, Speed

PICKED = 25  # Discord's, of a list of choices


class AnyChannel(app_commands.Transformer):
    """Every kind that Discord's own description knows: discord.py would name media channels too."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        kinds = discord.ChannelType
        return [kinds.text, kinds.news, kinds.voice, kinds.stage_voice, kinds.forum]

    async def transform(
        self, interaction: discord.Interaction, value: Any, /
    ) -> app_commands.AppCommandChannel:
        channel: app_commands.AppCommandChannel = value
        return channel


# A thread counts as its channel does.
Place = app_commands.Transform[app_commands.AppCommandChannel, AnyChannel]
Count = app_commands.Range[int, 1, MOST_COUNT]
SPEEDS = [Choice(name=speed.value, value=speed.value) for speed in Speed]
_MATURE = [
    Choice(name="only in age-restricted channels", value=Mature.CHANNEL.value),
    Choice(name="never", value=Mature.NEVER.value),
]
_CHANNELS = [
    Choice(name="allow drawing here", value="allow"),
    Choice(name="no longer allow it here", value="forbid"),
    Choice(name="allow it everywhere again", value="all"),
    Choice(name="spoilers here", value="spoil"),
    Choice(name="no spoilers here", value="show"),
]
_ACCESS = [
    Choice(name="for everyone", value="everyone"),
    Choice(name="for nobody", value="nobody"),
    Choice(name="for this role or plan, beside others that are named", value="add"),
    Choice(name="no longer for this role or plan", value="drop"),
]


class ServerSettings(commands.Cog):
    house: House
    administration: Administration
    book: PlanBook

    @app_commands.command(description="What holds on this server; sets what you name")
    @app_commands.describe(
        default_model="Which model draws when nobody names one",
        max_speed="For everyone without a limit of their role's own",
        nsfw="Where the operator's wider threshold may hold",
        stealth="Whether jobs may be hidden here",
        spoilers="Whether every picture is behind a spoiler",
        reset_model="Back to the operator's default model",
    )
    @app_commands.choices(max_speed=SPEEDS, nsfw=_MATURE)
    async def settings(
        self,
        interaction: Interaction,
        default_model: str | None = None,
        max_speed: str | None = None,
        nsfw: str | None = None,
        stealth: bool | None = None,
        spoilers: bool | None = None,
        reset_model: bool = False,
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.house, interaction)
        choice = administration.Choice(
            default_model="" if reset_model else default_model,
            max_speed=Speed(max_speed) if max_speed else None,
            nsfw=Mature(nsfw) if nsfw else None,
            stealth=stealth,
            spoilers=spoilers,
        )
        if choice == administration.Choice():
            await tell(interaction, settings_card(await self.administration.settings(mod)))
            return
        changed = await self.administration.choose(mod, choice)
        await tell(interaction, settings_card(changed, changed=True))

    @app_commands.command(description="Where drawing is allowed, and where pictures are spoilers")
    @app_commands.describe(what="What to change", channel="Which one; its threads count as it does")
    @app_commands.choices(what=_CHANNELS)
    async def channels(
        self, interaction: Interaction, what: str, channel: Place | None = None
    ) -> None:
        await open_private(interaction)
        if what != "all" and channel is None:
            raise Refusal("no_channel", "Say which channel.", field="channel")
        changed = await self._channels(interaction, what, str(channel.id) if channel else "")
        await tell(interaction, settings_card(changed, changed=True))

    async def _channels(self, interaction: Interaction, what: str, id: str) -> GuildSettings:
        mod, desk = await seat(self.house, interaction), self.administration
        match what:
            case "all":
                return await desk.open_all_channels(mod)
            case "allow" | "forbid":
                return await desk.open_channel(mod, id, allowed=what == "allow")
        return await desk.hide_channel(mod, id, hidden=what == "spoil")

    @app_commands.command(description="Who may use a model on this server")
    @app_commands.describe(
        model="A checkpoint or an adapter",
        access="For whom",
        role="With add and drop",
        plan="With add and drop",
    )
    @app_commands.choices(access=_ACCESS)
    async def models(
        self,
        interaction: Interaction,
        model: str,
        access: str,
        role: discord.Role | None = None,
        plan: str | None = None,
    ) -> None:
        await open_private(interaction)
        who = [*([_who(interaction, role)] if role else []), *([f"plan:{plan}"] if plan else [])]
        if access in ("add", "drop") and not who:
            raise Refusal("no_role", "Say which role or plan.", field="role")
        changed = await self._models(interaction, model, access, who)
        await tell(interaction, settings_card(changed, changed=True))

    async def _models(
        self, interaction: Interaction, model: str, access: str, who: list[str]
    ) -> GuildSettings:
        mod, desk = await seat(self.house, interaction), self.administration
        match access:
            case "nobody":
                return await desk.close_model(mod, model)
            case "everyone":
                return await desk.open_model(mod, model, add=[EVERYONE])
            case "add":
                return await desk.open_model(mod, model, add=who)
        return await desk.open_model(mod, model, drop=who)

    @app_commands.command(description="What a role may do here at most; sets what you name")
    @app_commands.describe(
        role="Left out: everyone without a limit of their role's own",
        speed="No faster than this",
        waiting="Jobs in line",
        jobs="Jobs at once: repeats times permutations",
        steps="Of one picture",
        clear="Takes all limits away first",
    )
    @app_commands.choices(speed=SPEEDS)
    async def limits(
        self,
        interaction: Interaction,
        role: discord.Role | None = None,
        speed: str | None = None,
        waiting: Count | None = None,
        jobs: Count | None = None,
        steps: Count | None = None,
        clear: bool = False,
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.house, interaction)
        limits = Limits(Speed(speed) if speed else None, waiting, jobs, steps)
        if limits == Limits() and not clear:
            await tell(interaction, settings_card(await self.administration.settings(mod)))
            return
        who = _who(interaction, role) if role else EVERYONE
        changed = await self.administration.limit(mod, who, limits, clear=clear)
        await tell(interaction, settings_card(changed, changed=True))

    @settings.autocomplete("default_model")
    async def pick_checkpoint(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(self.administration.catalog.checkpoints, current)

    @models.autocomplete("model")
    async def pick_model(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(self.administration.models, current)

    @models.autocomplete("plan")
    async def pick_plan(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(self.book.plans, current)


def picked(names: Iterable[str], current: str) -> list[Choice[str]]:
    """Those that begin with what is typed, then those that hold it somewhere."""
    typed = current.strip().casefold()
    fitting = [name for name in names if typed in name.casefold() and len(name) <= 100]
    fitting.sort(key=lambda name: not name.casefold().startswith(typed))
    return [Choice(name=name, value=name) for name in fitting[:PICKED]]


def _who(interaction: Interaction, role: discord.Role) -> str:
    """Discord's role for everyone has the server's id."""
    return EVERYONE if role.id == interaction.guild_id else f"role:{role.id}"
