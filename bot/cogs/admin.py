"""/admin: a server's settings and figures, plans and credit that are given. Discord hides it from others; the
desk decides."""

from datetime import UTC, datetime
from io import BytesIO

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands

from bot.admincards import export_card, given_card, taken_card, usage_card
from bot.cogs.serversettings import ServerSettings, picked
from bot.peoplecards import balance_card
from bot.reception import Interaction, open_private, tell
from bot.seats import seat
from shared.oversight.administration import Administration
from shared.oversight.desk import Oversight
from shared.oversight.discipline import Discipline
from shared.plans import PlanBook
from shared.reports.books import BOOKS
from shared.reports.sheets import By

Reason = app_commands.Range[str, 1, 500]
_REPORTS = [Choice(name=name, value=name) for name in BOOKS]
_BY = [Choice(name=by.value, value=by.value) for by in By]
EVERYWHERE = "Of every server; for the operator's own admins"
MONTH = "As 2026-11; left out, this one"


@app_commands.guild_only()
@app_commands.default_permissions(manage_guild=True)
class Admin(
    ServerSettings,
    commands.GroupCog,
    group_name="admin",
    group_description="For this server's admins",
):
    def __init__(
        self, oversight: Oversight, administration: Administration, book: PlanBook
    ) -> None:
        self.house = oversight.house
        self.discipline: Discipline = oversight.discipline
        self.administration = administration
        self.book = book

    @app_commands.command(description="Gives GPU minutes that never expire, or takes them")
    @app_commands.describe(user="Whom", minutes="Below 0: takes them", reason="Written down")
    async def grant(
        self, interaction: Interaction, user: discord.User, minutes: float, reason: Reason
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.house, interaction)
        balance = await self.discipline.quota(
            mod, str(user.id), minutes, reason, key=str(interaction.id)
        )
        await tell(interaction, balance_card(f"<@{user.id}>", balance))

    @app_commands.command(description="Gives somebody a plan, or ends what admins gave of it")
    @app_commands.describe(
        user="Whom",
        plan="Which one",
        reason="Written down",
        days="Left out: for good",
        end="Ends it now; what was bought or comes with a role stays",
    )
    async def plan(
        self,
        interaction: Interaction,
        user: discord.User,
        plan: str,
        reason: Reason,
        days: app_commands.Range[float, 0.01, 3650.0] | None = None,
        end: bool = False,
    ) -> None:
        await open_private(interaction)
        mod, who = await seat(self.house, interaction), f"<@{user.id}>"
        desk, id = self.administration, str(user.id)
        if end:
            gifts = await desk.take_plan(mod, id, plan, reason=reason)
            await tell(interaction, taken_card(who, plan, gifts))
            return
        key = str(interaction.id)
        await desk.give_plan(mod, id, plan, days=days, reason=reason, key=key)
        await tell(interaction, given_card(who, self.book.plan(plan).title, days))

    @app_commands.command(description="What was drawn in a month, by whom and with what")
    @app_commands.describe(month=MONTH, everywhere=EVERYWHERE)
    async def usage(
        self, interaction: Interaction, month: str | None = None, everywhere: bool = False
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.house, interaction)
        figures = await self.administration.figures(
            mod, month or this_month(), everywhere=everywhere
        )
        await tell(interaction, usage_card(figures))

    @app_commands.command(description="A month's figures as a file for a spreadsheet")
    @app_commands.describe(
        month=MONTH, report="Of what", by="One row for each", everywhere=EVERYWHERE
    )
    @app_commands.choices(report=_REPORTS, by=_BY)
    async def export(
        self,
        interaction: Interaction,
        month: str | None = None,
        report: str = "usage",
        by: str = By.USER.value,
        everywhere: bool = False,
    ) -> None:
        await open_private(interaction)
        mod = await seat(self.house, interaction)
        name, table = await self.administration.export(
            mod, month or this_month(), report, By(by), everywhere=everywhere
        )
        file = discord.File(BytesIO(table.encode()), name)
        await tell(interaction, export_card(name, table.count("\n") - 1), file)

    @plan.autocomplete("plan")
    async def pick_given_plan(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(self.book.plans, current)

    @usage.autocomplete("month")
    async def pick_month(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(_months(datetime.now(UTC)), current)

    @export.autocomplete("month")
    async def pick_exported(self, interaction: Interaction, current: str) -> list[Choice[str]]:
        return picked(_months(datetime.now(UTC)), current)


def this_month() -> str:
    return f"{datetime.now(UTC):%Y-%m}"


def _months(now: datetime) -> list[str]:
    """The last two years, the newest first."""
    count = now.year * 12 + now.month - 1
    return [f"{month // 12}-{month % 12 + 1:02}" for month in range(count, count - 24, -1)]
