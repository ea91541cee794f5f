"""Forms as Discord shows them, and what was filled in. Like buttons they are remembered nowhere."""

from collections.abc import Iterator, Mapping
from typing import Any

import discord

from bot.cards import Blank, Form

TITLE_LIMIT, LABEL_LIMIT, HINT_LIMIT = 45, 45, 100  # Discord's


async def open_form(interaction: discord.Interaction[Any], form: Form) -> None:
    modal = modal_of(form)
    modal.stop()  # discord.py keeps what is not finished; ours come back by their custom id
    await interaction.response.send_modal(modal)


def modal_of(form: Form) -> discord.ui.Modal:
    modal = discord.ui.Modal(title=form.title[:TITLE_LIMIT], custom_id=form.target)
    for blank in form.blanks:
        field = _choice(blank) if blank.choices else _text(blank)
        modal.add_item(discord.ui.Label(text=blank.label[:LABEL_LIMIT], component=field))
    return modal


def filled_in(interaction: discord.Interaction[Any]) -> dict[str, str]:
    """What was typed or chosen, by the blank's key; nothing for what was left empty."""
    data: Mapping[str, Any] = interaction.data or {}
    found = ((field["custom_id"], _value(field)) for field in _fields(data.get("components", ())))
    return {key: value for key, value in found if value}


def _text(blank: Blank) -> "discord.ui.TextInput[Any]":
    return discord.ui.TextInput(
        custom_id=blank.key,
        placeholder=blank.hint[:HINT_LIMIT] or None,
        style=discord.TextStyle.paragraph if blank.long else discord.TextStyle.short,
        default=blank.filled[: blank.most] or None,
        required=blank.required,
        max_length=blank.most,
    )


def _choice(blank: Blank) -> "discord.ui.Select[Any]":
    options = [discord.SelectOption(label=label, value=value) for value, label in blank.choices]
    return discord.ui.Select(
        custom_id=blank.key,
        placeholder=blank.hint[:HINT_LIMIT] or None,
        required=blank.required,
        options=options,
    )


def _fields(components: Any) -> Iterator[Mapping[str, Any]]:
    """Those of labels and of rows."""
    for part in components:
        for field in (*part.get("components", ()), *filter(None, [part.get("component")])):
            if "custom_id" in field:
                yield field


def _value(field: Mapping[str, Any]) -> str:
    return str(field.get("value") or next(iter(field.get("values") or ()), "")).strip()
