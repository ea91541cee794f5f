"""Vary in the menu of a message: the buttons that go on from its pictures, in private."""

from collections.abc import Iterator
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.answers import private_card
from bot.buttons import Press, read_press
from bot.cards import Action, Card, Knob, custom_id
from bot.reception import Interaction, tell
from shared.errors import Refusal

MOST = 4
_PICTURED = frozenset({Action.VARY, Action.SUBTLE})
NOTHING = (
    "That message has no finished pictures of mine. /imagine with image1 starts from any picture, and"
    " Describe in this menu finds words for it."
)


class Variations(commands.Cog):
    def __init__(self, tree: app_commands.CommandTree[Any]) -> None:
        self._tree = tree
        self._menu = app_commands.ContextMenu(name="Vary", callback=self.vary_message)

    async def cog_load(self) -> None:
        self._tree.add_command(self._menu)

    async def vary_message(self, interaction: Interaction, message: discord.Message) -> None:
        """What its own buttons name; whose job that is, the desk looks up when one is pressed."""
        found = sorted(set(pictured(message.components)), key=lambda press: press.index)
        if not found:
            raise Refusal("no_picture", NOTHING)
        await tell(interaction, vary_card(found[:MOST]))


def pictured(components: Any) -> Iterator[Press]:
    """The pictures that a message has buttons for."""
    for one in components:
        press = read_press(str(getattr(one, "custom_id", None) or ""))
        if press is not None and press.action in _PICTURED:
            yield Press(Action.VARY, press.subject, press.index)
        yield from pictured(getattr(one, "children", ()))


def vary_card(found: list[Press]) -> Card:
    card = private_card("Subtle stays near the picture, strong goes far from it.", title="Vary")
    single = len(found) == 1
    rows = tuple(
        tuple(
            Knob(label if single else f"{label} {i + 1}", custom_id(action, one.subject, one.index))
            for i, one in enumerate(found)
        )
        for action, label in ((Action.SUBTLE, "Subtle"), (Action.STRONG, "Strong"))
    )
    return Card(panel=card.panel, rows=rows)
