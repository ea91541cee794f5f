"""/mod warn, strike, ban, unban, quota, refund, user, and the same from under a case."""

import discord
from discord import app_commands
from discord.ext import commands

from bot import modcards, outcomes, peoplecards
from bot.buttons import Press
from bot.cards import Action, Card
from bot.cogs.jobs import read_job_id
from bot.courier import Courier
from bot.letters import Letters
from bot.modals import filled_in, open_form
from bot.naming import counted
from bot.reception import Handler, Interaction, open_private, tell
from bot.seats import seat
from shared.errors import Refusal
from shared.moderation.proposals import UNBAN
from shared.moderation.ranks import Moderator
from shared.oversight.desk import Oversight

Reason = app_commands.Range[str, 1, 500]


class Discipline(commands.Cog):
    oversight: Oversight
    letters: Letters
    courier: Courier

    @app_commands.command(description="A word of warning; it stays on record and counts nothing")
    @app_commands.describe(user="Whom", reason="They will read this")
    async def warn(self, interaction: Interaction, user: discord.User, reason: Reason) -> None:
        await open_private(interaction)
        await self._warn(interaction, str(user.id), reason)

    @app_commands.command(description="A strike that counts for as long as the operator says")
    @app_commands.describe(user="Whom", reason="They will read this", weight="1 unless you say so")
    async def strike(
        self,
        interaction: Interaction,
        user: discord.User,
        reason: Reason,
        weight: app_commands.Range[int, 1, 10] = 1,
    ) -> None:
        await open_private(interaction)
        await self._strike(interaction, str(user.id), reason, weight)

    @app_commands.command(description="Cancels what they have in line and withdraws their links")
    @app_commands.describe(
        user="Whom",
        reason="They will read this",
        days="Left out: until two people lift it",
        everywhere="On every server; for the operator's own admins",
    )
    async def ban(
        self,
        interaction: Interaction,
        user: discord.User,
        reason: Reason,
        days: app_commands.Range[int, 1, 3650] | None = None,
        everywhere: bool = False,
    ) -> None:
        await open_private(interaction)
        await self._ban(interaction, str(user.id), reason, days, everywhere=everywhere)

    @app_commands.command(description="Proposes to lift a ban, or agrees with who proposed it")
    @app_commands.describe(
        user="Whom",
        reason="Why; only the moderators read this",
        everywhere="A ban of every server; for the operator's own admins",
    )
    async def unban(
        self,
        interaction: Interaction,
        user: discord.User,
        reason: Reason,
        everywhere: bool = False,
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        proposed = await self._proposed(mod, str(user.id))
        if proposed is None:
            made = await self.oversight.pairs.propose_unban(
                mod, str(user.id), reason, everywhere=everywhere
            )
            card = peoplecards.proposed_card(made)
        else:
            await self.oversight.pairs.approve(mod, proposed)
            reached = await self.letters.write(str(user.id), outcomes.unbanned_card())
            card = _done(f"<@{user.id}> may draw again.", reached=reached)
        await tell(interaction, card)

    @app_commands.command(description="Gives GPU minutes to somebody, or takes them")
    @app_commands.describe(user="Whom", minutes="Below 0: takes them", reason="Written down")
    async def quota(
        self, interaction: Interaction, user: discord.User, minutes: float, reason: Reason
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        balance = await self.oversight.discipline.quota(
            mod, str(user.id), minutes, reason, key=str(interaction.id)
        )
        await tell(interaction, peoplecards.balance_card(f"<@{user.id}>", balance))

    @app_commands.command(description="Gives back what a picture cost")
    @app_commands.describe(job="The job's id", reason="Written down")
    async def refund(self, interaction: Interaction, job: str, reason: Reason) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        back_ms = await self.oversight.discipline.refund(mod, read_job_id(job), reason)
        await tell(interaction, peoplecards.refunded_card(back_ms))

    @app_commands.command(description="What this server knows of somebody")
    @app_commands.describe(user="Whom")
    async def user(self, interaction: Interaction, user: discord.User) -> None:
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        record = await self.oversight.discipline.user(mod, str(user.id))
        await tell(interaction, peoplecards.record_card(record))

    def discipline_presses(self) -> dict[Action, Handler]:
        return dict.fromkeys((Action.WARN, Action.STRIKE, Action.BAN), self._ask)

    def discipline_forms(self) -> dict[Action, Handler]:
        return dict.fromkeys((Action.WARN, Action.STRIKE, Action.BAN), self._punish)

    async def _ask(self, interaction: Interaction, press: Press) -> None:
        await open_form(interaction, modcards.discipline_form(press.action, press.subject))

    async def _punish(self, interaction: Interaction, press: Press) -> None:
        """The form under a case: about its author."""
        await open_private(interaction)
        mod = await seat(self.oversight.house, interaction)
        author = (await self.oversight.review.case(mod, press.subject)).author
        if author is None:
            raise Refusal("unknown_person", "Who this was is no longer known.")
        said = filled_in(interaction)
        reason = said.get("reason", "")
        if press.action is Action.WARN:
            await self._warn(interaction, author.discord_id, reason)
        elif press.action is Action.STRIKE:
            weight = _whole(said.get("weight", "1"), "weight")
            await self._strike(interaction, author.discord_id, reason, weight)
        else:
            days = _whole(said["days"], "days") if "days" in said else None
            await self._ban(interaction, author.discord_id, reason, days)

    async def _warn(self, interaction: Interaction, discord_id: str, reason: str) -> None:
        mod = await seat(self.oversight.house, interaction)
        await self.oversight.discipline.warn(mod, discord_id, reason)
        reached = await self.letters.write(discord_id, outcomes.warned_card(reason))
        await tell(interaction, _done(f"<@{discord_id}> was warned.", reached=reached))

    async def _strike(
        self, interaction: Interaction, discord_id: str, reason: str, weight: int
    ) -> None:
        mod = await seat(self.oversight.house, interaction)
        _, follows = await self.oversight.discipline.strike(mod, discord_id, reason, weight=weight)
        reached = await self.letters.write(discord_id, outcomes.struck_card(reason, follows))
        text = f"<@{discord_id}> has a strike of weight {weight}.{peoplecards.FOLLOWS[follows]}"
        await tell(interaction, _done(text, reached=reached))

    async def _ban(
        self,
        interaction: Interaction,
        discord_id: str,
        reason: str,
        days: int | None,
        *,
        everywhere: bool = False,
    ) -> None:
        mod = await seat(self.oversight.house, interaction)
        banned = await self.oversight.discipline.ban(
            mod, discord_id, reason, days=days, everywhere=everywhere
        )
        self.courier.wake()
        reached = await self.letters.write(discord_id, outcomes.banned_card(reason, days))
        text = (
            f"<@{discord_id}> is banned. Cancelled and refunded: {counted(banned.jobs, 'job')};"
            f" withdrawn: {counted(banned.files, 'file')}."
        )
        await tell(interaction, _done(text, reached=reached))

    async def _proposed(self, mod: Moderator, discord_id: str) -> int | None:
        """The proposal of somebody else to lift this person's ban."""
        record = await self.oversight.discipline.user(mod, discord_id)
        for one in await self.oversight.pairs.open(mod):
            if one.action == UNBAN and one.detail.get("account") == str(record.account.id):
                return one.id
        return None


def _done(text: str, *, reached: bool) -> Card:
    return modcards.done_card(
        text, footer=peoplecards.REACHED if reached else peoplecards.UNREACHED
    )


def _whole(text: str, field: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise Refusal("invalid_value", f"“{text[:20]}” is no whole number.", field=field)
    return int(text)
