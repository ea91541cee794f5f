"""What one request to Discord carries: the card's text, its buttons, and sometimes its picture."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import discord

from bot.buttons import embed_of, view_of
from bot.cards import UPLOADED, Card

ALTERNATIVE_LIMIT = 1_024  # Discord's, for the words that say what a file shows


@dataclass(frozen=True, slots=True)
class Parcel:
    card: Card
    nonce: str
    picture: bytes = b""

    def to_edit(self) -> dict[str, Any]:
        fields = {**self._shown(), "view": view_of(self.card)}
        if self.picture:
            return {**fields, "attachments": self._files()}
        return (
            {**fields, "attachments": []} if self.card.final else fields
        )  # no preview outlives its job

    def to_send(self) -> dict[str, Any]:
        fields = {**self._shown(), "nonce": self.nonce}
        if self.picture:
            fields["files"] = self._files()
        view = view_of(self.card)
        return {**fields, "view": view} if view else fields

    def _shown(self) -> dict[str, Any]:
        nobody = discord.AllowedMentions.none()  # names stand in the text and ring at nobody's
        embed = embed_of(self.card)
        return {"content": self.card.content, "embed": embed, "allowed_mentions": nobody}

    def _files(self) -> list[discord.File]:
        """New ones for every try: a request uses them up."""
        name = UPLOADED.removeprefix("attachment://")
        says = alternative_text(self.card)
        return [discord.File(BytesIO(self.picture), name, description=says)]


def alternative_text(card: Card) -> str:
    """Uploaded files, unlike the pictures of embeds, can say what they show."""
    caption = card.panel.footer if card.panel else ""
    return f"{caption} {card.content}".strip()[:ALTERNATIVE_LIMIT]


def without_picture(card: Card) -> Card:
    panel = replace(card.panel, image="") if card.panel else None
    return replace(card, upload="", panel=panel)
