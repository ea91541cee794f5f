"""/mod: the moderators' commands under one name. Discord hides them from others; the desk decides."""

from discord import app_commands
from discord.ext import commands

from bot.cards import Action
from bot.cogs.discipline import Discipline
from bot.cogs.houserules import HouseRules
from bot.cogs.review import Review
from bot.courier import Courier
from bot.letters import Letters
from bot.reception import Handler
from bot.showing import Showing
from shared.oversight.desk import Oversight
from shared.oversight.exhibits import Exhibits
from shared.storage import ObjectStore


@app_commands.guild_only()
@app_commands.default_permissions(moderate_members=True)
class Moderation(
    Review,
    Discipline,
    HouseRules,
    commands.GroupCog,
    group_name="mod",
    group_description="For moderators",
):
    def __init__(
        self, oversight: Oversight, letters: Letters, courier: Courier, store: ObjectStore
    ) -> None:
        self.oversight = oversight
        self.letters = letters
        self.courier = courier
        self.showing = Showing(Exhibits(oversight.review, store))

    def presses(self) -> dict[Action, Handler]:
        return {**self.review_presses(), **self.discipline_presses()}

    def forms(self) -> dict[Action, Handler]:
        return {**self.review_forms(), **self.discipline_forms()}
