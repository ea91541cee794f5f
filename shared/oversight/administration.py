"""A server's administration: its settings, plans and credit that are given, its figures.

An admin sees and changes their own server alone. GPU time and plans are the operator's to give: once a home
server is set, only its admins do, and only they see the figures of every server.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from shared import guildrows, guilds, plangrants, spreadsheets
from shared.catalog import Catalog
from shared.config import SafetySettings
from shared.connections import Database
from shared.errors import Refusal
from shared.guilds import EVERYONE, GuildSettings, Limits, Mature
from shared.moderation.audit import audit
from shared.moderation.ranks import Moderator, Rank
from shared.oversight import access
from shared.plans import PlanBook, Speed
from shared.reports.books import BOOKS
from shared.reports.sheets import By, Sheet
from shared.reports.spans import Span, month_name, month_of
from shared.reports.usage import usage

LONGEST_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a server's settings is set anew; None leaves it as it is. An empty `default_model` is the
    operator's."""

    default_model: str | None = None
    max_speed: Speed | None = None
    nsfw: Mature | None = None
    stealth: bool | None = None
    spoilers: bool | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one month: `everywhere` says of which servers."""

    span: Span
    everywhere: bool
    models: Sheet
    people: Sheet


@dataclass(frozen=True, slots=True)
class Administration:
    database: Database
    book: PlanBook
    catalog: Catalog
    safety: SafetySettings

    @property
    def models(self) -> tuple[str, ...]:
        """Checkpoints, then adapters."""
        return (*self.catalog.checkpoints, *self.catalog.adapters)

    async def settings(self, mod: Moderator) -> GuildSettings:
        access.require(mod, Rank.MODERATOR)
        async with self.database.single() as session:
            return await guildrows.read(session, _guild(mod))

    async def choose(self, mod: Moderator, choice: Choice) -> GuildSettings:
        return await self._change(mod, partial(self._chosen, choice))

    async def open_channel(
        self, mod: Moderator, channel_id: str, *, allowed: bool
    ) -> GuildSettings:
        edit = partial(guilds.with_channel, channel_id=channel_id, allowed=allowed)
        return await self._change(mod, edit)

    async def open_all_channels(self, mod: Moderator) -> GuildSettings:
        return await self._change(mod, lambda settings: replace(settings, channels=()))

    async def hide_channel(self, mod: Moderator, channel_id: str, *, hidden: bool) -> GuildSettings:
        """Behind a spoiler, or no longer."""
        edit = partial(guilds.with_spoilers, channel_id=channel_id, wanted=hidden)
        return await self._change(mod, edit)

    async def open_model(
        self, mod: Moderator, model: str, *, add: Collection[str] = (), drop: Collection[str] = ()
    ) -> GuildSettings:
        """For these beside those before, or no longer for those. The first that is named closes it to
        all others."""
        guilds.check_plans([*add, *drop], self.book)

        def edit(settings: GuildSettings) -> GuildSettings:
            before = settings.models.get(model, ())
            who = [one for one in (*before, *add) if one not in drop]
            return guilds.with_model(settings, model, who, known=self.models)

        return await self._change(mod, edit)

    async def close_model(self, mod: Moderator, model: str) -> GuildSettings:
        edit = partial(guilds.with_model, model=model, who=(), known=self.models)
        return await self._change(mod, edit)

    async def limit(
        self, mod: Moderator, who: str, limits: Limits, *, clear: bool = False
    ) -> GuildSettings:
        """What is not None in `limits` is set anew. `clear` takes all of theirs away first."""

        def edit(settings: GuildSettings) -> GuildSettings:
            before = Limits() if clear else settings.limits.get(who, Limits())
            return guilds.with_limits(settings, who, _over(before, limits))

        return await self._change(mod, edit)

    async def give_plan(
        self,
        mod: Moderator,
        discord_id: str,
        plan: str,
        *,
        days: float | None,
        reason: str,
        key: str,
    ) -> None:
        """From their next request on, for so many days, or for good. The same key gives it once."""
        self._check_gives(mod)
        if days is not None and not 0 < days <= LONGEST_DAYS:
            sentence = f"A plan is given for up to {LONGEST_DAYS} days; left out, for good."
            raise Refusal("invalid_value", sentence, field="days")
        now = await self.database.now()
        until = None if days is None else now + timedelta(days=days)
        async with self.database.begin() as session:
            account = await access.person(session, discord_id)
            await access.check_not_self(session, mod, account.id)
            given = await plangrants.give(
                session, account.id, plan, until, by=mod.actor, book=self.book, key=key
            )
            if given:
                told = {"guild": mod.guild_id, "plan": plan, "days": days, "reason": reason[:500]}
                await audit(session, mod.actor, "plan_given", f"account:{account.id}", told)

    async def take_plan(self, mod: Moderator, discord_id: str, plan: str, *, reason: str) -> int:
        """What admins gave of it ends now; how many gifts that were. What was bought stays."""
        self._check_gives(mod)
        async with self.database.begin() as session:
            account = await access.person(session, discord_id)
            await access.check_not_self(session, mod, account.id)
            ended = await plangrants.take(session, account.id, plan)
            if not ended:
                sentence = "Nobody gave them this plan; what was bought or comes with a role stays."
                raise Refusal("no_such_gift", sentence, field="plan")
            told = {"guild": mod.guild_id, "plan": plan, "gifts": ended, "reason": reason[:500]}
            await audit(session, mod.actor, "plan_taken", f"account:{account.id}", told)
        return ended

    async def figures(self, mod: Moderator, month: str, *, everywhere: bool = False) -> Figures:
        scope = _scope(mod, everywhere=everywhere)
        span = month_of(month, "month")
        async with self.database.read() as session:
            models = await usage(session, span, By.MODEL, guild_id=scope)
            people = await usage(session, span, By.USER, guild_id=scope)
        return Figures(span, everywhere, models, people)

    async def export(
        self, mod: Moderator, month: str, report: str, by: By, *, everywhere: bool = False
    ) -> tuple[str, str]:
        """The name of a file, and its CSV: whole milliseconds, and no cell that begins a formula."""
        span = month_of(month, "month")
        sheet = await self.sheet(mod, span, report, by, everywhere=everywhere)
        rows = [[row.key, row.label, *row.values] for row in sheet.rows]
        name = f"pictor-{report}-{month_name(span)}-by-{by}.csv"
        return name, spreadsheets.written([by.value, "name", *sheet.names], rows)

    async def sheet(
        self, mod: Moderator, span: Span, report: str, by: By, *, everywhere: bool = False
    ) -> Sheet:
        """What people of a server, or of every one, drew and were charged; who looks is written down."""
        scope = _scope(mod, everywhere=everywhere)
        async with self.database.begin() as session:
            sheet = await BOOKS[report](session, span, by, guild_id=scope)
            told = {"guild": mod.guild_id, "span": str(span), "by": by.value, "of": report}
            await audit(session, mod.actor, "export", f"guild:{scope or 'every'}", told)
        return sheet

    def _check_gives(self, mod: Moderator) -> None:
        access.require(mod, Rank.ADMIN)
        if self.safety.home_guild is not None:
            access.require_house(mod)

    def _chosen(self, choice: Choice, settings: GuildSettings) -> GuildSettings:
        if choice.default_model is not None:
            known = self.catalog.checkpoints
            settings = guilds.with_default_model(settings, choice.default_model, known=known)
        if choice.max_speed is not None:
            common = replace(settings.limits.get(EVERYONE, Limits()), speed=choice.max_speed)
            settings = guilds.with_limits(settings, EVERYONE, common)
        given = {"nsfw": choice.nsfw, "stealth": choice.stealth, "spoilers": choice.spoilers}
        kept = {name: value for name, value in given.items() if value is not None}
        return replace(settings, **kept)  # type: ignore[arg-type]

    async def _change(
        self, mod: Moderator, edit: Callable[[GuildSettings], GuildSettings]
    ) -> GuildSettings:
        access.require(mod, Rank.ADMIN)
        async with self.database.begin() as session:
            return await guildrows.change(session, _guild(mod), edit, mod.actor)


def _over(before: Limits, limits: Limits) -> Limits:
    names = ("speed", *guilds.COUNTS)
    given = {name: value for name in names if (value := getattr(limits, name)) is not None}
    return replace(before, **given)


def _scope(mod: Moderator, *, everywhere: bool) -> str | None:
    """The server whose figures these are; None: all of them."""
    access.require(mod, Rank.ADMIN)
    if everywhere:
        access.require_house(mod)
        return None
    return _guild(mod)


def _guild(mod: Moderator) -> str:
    if mod.guild_id is None:
        raise Refusal("no_server", "This is set on a server.")
    return mod.guild_id
