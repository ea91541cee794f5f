"""What one request to Discord carries: the card as a layout, and sometimes its picture."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import discord

from bot.cards import ALTERNATIVE_LIMIT, UPLOADED, Card
from bot.layouts import layout_of


@dataclass(frozen=True, slots=True)
class Parcel:
    card: Card
    nonce: str
    picture: bytes = b""

    def to_edit(self) -> dict[str, Any]:
        # A message from before layouts gives up its text and its embed for one.
        fields = {**self._shown(), "content": None, "embed": None}
        if self.picture:
            return {**fields, "attachments": self._files()}
        return (
            {**fields, "attachments": []} if self.card.final else fields
        )  # no preview outlives its job

    def to_send(self) -> dict[str, Any]:
        fields = {**self._shown(), "nonce": self.nonce}
        return {**fields, "files": self._files()} if self.picture else fields

    def _shown(self) -> dict[str, Any]:
        nobody = discord.AllowedMentions.none()  # names stand in the text and ring at nobody's
        return {"view": layout_of(self.card), "allowed_mentions": nobody}

    def _files(self) -> list[discord.File]:
        """New ones for every try: a request uses them up."""
        return [file_of(self.card, self.picture)]


def file_of(card: Card, picture: bytes) -> discord.File:
    """The picture that travels with this card's message; whether it is covered, its layout says."""
    name = UPLOADED.removeprefix("attachment://")
    says = card.panel.says[:ALTERNATIVE_LIMIT] if card.panel else ""
    return discord.File(BytesIO(picture), name, description=says or None)


def without_picture(card: Card, *, link: str = "") -> Card:
    """`link` is where it can be seen instead."""
    panel = replace(card.panel, image="", says="") if card.panel else None
    if panel is not None and link:
        panel = replace(panel, text=f"{panel.text}\nToo large for a file here: {link}")
    return replace(card, upload="", panel=panel)
