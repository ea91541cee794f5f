"""/info, and /settings with its buttons: what is there, and how it is used unless a prompt says otherwise."""

from collections.abc import Mapping
from typing import Any

from discord import app_commands
from discord.ext import commands

from bot.accountcards import info_card
from bot.buttons import Press
from bot.cards import Action, Card
from bot.pickers import Choices, Pickers
from bot.reception import (
    Handler,
    Interaction,
    Reception,
    open_here,
    open_private,
    tell,
    turn_into,
)
from bot.settingscards import MODEL, SPEEDS, SWITCHES, settings_card
from shared.admission import FrontDesk, Person
from shared.catalog import Catalog
from shared.choices import with_model, with_style
from shared.errors import Refusal
from shared.plans import PlanBook, Speed
from shared.preferences import with_stylize

_SPEEDS = [
    app_commands.Choice(name="Turbo: first in line, twice the price", value=Speed.TURBO.value),
    app_commands.Choice(name="Fast: the usual", value=Speed.FAST.value),
    app_commands.Choice(name="Relax: free, when there is room", value=Speed.RELAX.value),
]
OUTDATED = "That setting is gone. /settings shows those there are."


class Accounts(commands.Cog):
    def __init__(
        self,
        desk: FrontDesk,
        reception: Reception,
        book: PlanBook,
        catalog: Catalog,
        pickers: Pickers,
    ) -> None:
        self._desk, self._reception = desk, reception
        self._book, self._catalog, self._pickers = book, catalog, pickers

    @app_commands.command(description="Your plan, your GPU time and your jobs")
    async def info(self, interaction: Interaction) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        info = await self._desk.info(person)
        used, chosen = await self._desk.lifetime(person), await self._desk.preferences(person)
        await tell(interaction, info_card(info, used, chosen))

    @app_commands.command(description="How your pictures are made unless a prompt says otherwise")
    @app_commands.describe(
        speed="Which line your jobs stand in",
        model="The checkpoint that draws; a dash for the usual one",
        style="A style of the checkpoint; a dash for none",
        stylize="How strongly a style acts, 0 to 1000",
    )
    @app_commands.choices(speed=_SPEEDS)
    async def settings(
        self,
        interaction: Interaction,
        speed: str | None = None,
        model: str | None = None,
        style: str | None = None,
        stylize: int | None = None,
    ) -> None:
        await open_private(interaction)
        person = await self._reception.person(interaction)
        if speed is not None:
            await self._desk.set_speed(person, Speed(speed))
        if (model, style, stylize) != (None, None, None):
            chosen = await self._desk.preferences(person)
            chosen = chosen if stylize is None else with_stylize(chosen, stylize)
            chosen = chosen if style is None else with_style(chosen, style, self._catalog)
            chosen = chosen if model is None else with_model(chosen, model, self._catalog)
            await self._desk.set_preferences(person, chosen)
        await tell(interaction, await self._card(person))

    @settings.autocomplete("model")
    async def models(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.model(interaction, current)

    @settings.autocomplete("style")
    async def styles(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.style(interaction, current)

    def presses(self) -> dict[Action, Handler]:
        return {Action.SET: self._set, Action.CHOOSE: self._choose}

    async def _set(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        person = await self._reception.person(interaction)
        if press.index in SPEEDS:
            await self._desk.set_speed(person, SPEEDS[press.index])
        elif switch := SWITCHES.get(press.index):
            chosen = switch.pressed(await self._desk.preferences(person))
            await self._desk.set_preferences(person, chosen)
        else:
            raise Refusal("outdated_setting", OUTDATED)
        await turn_into(interaction, await self._card(person))

    async def _choose(self, interaction: Interaction, press: Press) -> None:
        await open_here(interaction)
        person = await self._reception.person(interaction)
        chosen, name = await self._desk.preferences(person), chosen_value(interaction)
        pick = with_model if press.index == MODEL else with_style
        await self._desk.set_preferences(person, pick(chosen, name, self._catalog))
        await turn_into(interaction, await self._card(person))

    async def _card(self, person: Person) -> Card:
        account = await self._desk.account(person)
        plan, shelf = self._book.plan(account.plan), self._pickers.shelf
        return settings_card(
            await self._desk.preferences(person),
            account.default_speed or plan.default_speed,
            plan,
            models=shelf.get("model", ()),
            styles=shelf.get("style", ()),
        )


def chosen_value(interaction: Interaction) -> str:
    data: Mapping[str, Any] = interaction.data or {}
    return str(next(iter(data.get("values", ())), ""))
