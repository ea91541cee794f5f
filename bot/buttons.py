"""Buttons that work for ever: the custom id says everything, and the database decides what it may do."""

import re
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast
from uuid import UUID

import discord

from bot.cards import Action, Card, Knob, Look, Menu

_STYLES = {
    Look.PLAIN: discord.ButtonStyle.secondary,
    Look.MAIN: discord.ButtonStyle.primary,
    Look.GOOD: discord.ButtonStyle.success,
    Look.DANGER: discord.ButtonStyle.danger,
    Look.LINK: discord.ButtonStyle.link,
}
TEMPLATE = re.compile(
    rf"pictor:1:(?P<action>{'|'.join(Action)}):(?P<subject>[0-9a-f]{{32}}):(?P<index>[0-9]{{1,3}})"
)


@dataclass(frozen=True, slots=True)
class Press:
    """What a button or a form asks for. Anyone can forge one: it carries no right to anything.

    `subject` is the job or the case it is about.
    """

    action: Action
    subject: UUID
    index: int


class Presser(Protocol):
    async def pressed(self, interaction: discord.Interaction, press: Press) -> None: ...


class PressButton(discord.ui.DynamicItem["discord.ui.Button[Any]"], template=TEMPLATE):
    @classmethod
    def from_knob(cls, knob: Knob, row: int | None = None) -> Self:
        button: discord.ui.Button[Any] = discord.ui.Button(
            label=knob.label or None,
            emoji=knob.emoji or None,
            style=_STYLES[knob.look],
            custom_id=knob.target,
            row=row,
        )
        return cls(button)

    @classmethod
    def from_menu(cls, menu: Menu, row: int | None = None) -> Self:
        """Its custom id is a button's, and so is what comes of it: what was chosen stands in the press."""
        options = [
            discord.SelectOption(label=one.label, value=one.value, default=one.chosen)
            for one in menu.options
        ]
        select: Any = discord.ui.Select(
            custom_id=menu.target, placeholder=menu.hint, options=options, row=row
        )
        return cls(select)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        press = read_press(self.custom_id)
        assert press is not None, "the template matched"
        await cast(Presser, interaction.client).pressed(interaction, press)


def read_press(custom_id: str) -> Press | None:
    match = TEMPLATE.fullmatch(custom_id)
    if match is None:
        return None
    return Press(Action(match["action"]), UUID(hex=match["subject"]), int(match["index"]))


def view_of(card: Card) -> discord.ui.View | None:
    """Only dynamic items and links: discord.py then keeps no view in memory."""
    if not card.rows and not card.menus:
        return None
    view = discord.ui.View(timeout=None)
    for row, menu in enumerate(card.menus):
        view.add_item(PressButton.from_menu(menu, row))
    for row, knobs in enumerate(card.rows, len(card.menus)):
        for knob in knobs:
            view.add_item(button_of(knob, row))
    return view


def button_of(knob: Knob, row: int | None = None) -> "discord.ui.Item[Any]":
    if knob.look is Look.LINK:
        return discord.ui.Button(label=knob.label, url=knob.target, row=row)
    if knob.look is Look.PREMIUM:
        return discord.ui.Button(sku_id=int(knob.target), row=row)
    return PressButton.from_knob(knob, row)


def embed_of(card: Card) -> discord.Embed | None:
    panel = card.panel
    if panel is None:
        return None
    embed = discord.Embed(
        title=panel.title or None, description=panel.text or None, colour=panel.colour
    )
    if panel.image:
        embed.set_image(url=panel.image)
    if panel.footer:
        embed.set_footer(text=panel.footer)
    return embed
