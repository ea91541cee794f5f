from discord import app_commands
from discord.ext import commands

from bot.buttons import Press
from bot.cards import Action
from bot.plancards import subscribe_card
from bot.reception import Handler, Interaction, Reception, open_here, open_private, tell
from shared.cashier import Cashier


class Subscribe(commands.Cog):
    def __init__(self, cashier: Cashier, reception: Reception) -> None:
        self._cashier, self._reception = cashier, reception

    def presses(self) -> dict[Action, Handler]:
        return {Action.TRIAL: self._begin_trial}

    @app_commands.command(description="Plans, what each gives, and what you have")
    async def subscribe(self, interaction: Interaction) -> None:
        await open_private(interaction)
        member = await self._cashier.membership(await self._reception.person(interaction))
        await tell(interaction, subscribe_card(self._cashier.book, member))

    async def _begin_trial(self, interaction: Interaction, press: Press) -> None:
        """For whoever presses, whatever the button says."""
        await open_here(interaction)
        member = await self._cashier.begin_trial(await self._reception.person(interaction))
        await tell(interaction, subscribe_card(self._cashier.book, member))
