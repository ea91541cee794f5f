from discord import app_commands
from discord.ext import commands

from bot.answers import info_card, speed_card
from bot.reception import Interaction, Reception, open_private, tell
from shared.admission import FrontDesk
from shared.plans import PlanBook, Speed

_SPEEDS = [
    app_commands.Choice(name="Turbo: first in line, twice the price", value=Speed.TURBO.value),
    app_commands.Choice(name="Fast: the usual", value=Speed.FAST.value),
    app_commands.Choice(name="Relax: free, when there is room", value=Speed.RELAX.value),
]


class Accounts(commands.Cog):
    def __init__(self, desk: FrontDesk, reception: Reception, book: PlanBook) -> None:
        self._desk = desk
        self._reception = reception
        self._book = book

    @app_commands.command(description="Your plan, your GPU time and your jobs")
    async def info(self, interaction: Interaction) -> None:
        await open_private(interaction)
        info = await self._desk.info(await self._reception.person(interaction))
        await tell(interaction, info_card(info))

    @app_commands.command(description="How your pictures are made unless a prompt says otherwise")
    @app_commands.describe(speed="Which line your jobs stand in")
    @app_commands.choices(speed=_SPEEDS)
    async def settings(self, interaction: Interaction, speed: str | None = None) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        account = await (
            self._desk.account(person)
            if speed is None
            else self._desk.set_speed(person, Speed(speed))
        )
        plan = self._book.plan(account.plan)
        current = account.default_speed or plan.default_speed
        await tell(interaction, speed_card(current, plan, changed=speed is not None))
