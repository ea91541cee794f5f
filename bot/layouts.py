"""Cards as Discord's layouts (components, version 2): pictures say what they show and can be covered.

A message that was shown as one can never be an embed again; the other way is open.
"""

from typing import Any

import discord
from discord.ui import ActionRow, Container, LayoutView, MediaGallery, TextDisplay

from bot.buttons import PressButton, button_of
from bot.cards import ALTERNATIVE_LIMIT, LAYOUT_LIMIT, Card, Panel
from bot.quoting import shortened

Part = discord.ui.Item[Any]


def layout_of(card: Card) -> LayoutView:
    """Only dynamic items and links: discord.py then keeps no view in memory."""
    view = LayoutView(timeout=None)
    for part in _parts(card):
        view.add_item(part)
    return view


def _parts(card: Card) -> list[Part]:
    parts: list[Part] = [TextDisplay(card.content)] if card.content else []
    if card.panel is not None:
        parts.append(_container(card.panel, LAYOUT_LIMIT - len(card.content)))
    rows: list[Part] = [ActionRow(*map(button_of, knobs)) for knobs in card.rows]
    menus: list[Part] = [ActionRow(PressButton.from_menu(menu)) for menu in card.menus]
    return parts + _pictures(card) + menus + rows


def _container(panel: Panel, room: int) -> "Container[Any]":
    """Its text gives way, so that title and footer stay whole."""
    title = f"### {panel.title}" if panel.title else ""
    footer = f"-# {panel.footer}" if panel.footer else ""
    text = shortened(panel.text, max(room - len(title) - len(footer), 1))
    gallery: list[Part] = [_gallery(panel)] if panel.image else []
    above: list[Part] = [TextDisplay(part) for part in (title, text) if part]
    below: list[Part] = [TextDisplay(footer)] if footer else []
    return Container(*above, *gallery, *below, accent_colour=panel.colour)


def _pictures(card: Card) -> list[Part]:
    if not card.shown:
        return []
    items = [
        discord.MediaGalleryItem(
            one.image, description=one.says[:ALTERNATIVE_LIMIT] or None, spoiler=one.spoiler
        )
        for one in card.shown
    ]
    return [MediaGallery(*items)]


def _gallery(panel: Panel) -> "MediaGallery[Any]":
    says = panel.says[:ALTERNATIVE_LIMIT] or None
    item = discord.MediaGalleryItem(panel.image, description=says, spoiler=panel.spoiler)
    return MediaGallery(item)
