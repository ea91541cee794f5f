"""What a message shows, read off its JSON: words, pictures, things to press. For tests."""

from typing import Any

from bot.emulator.componentrules import BUTTON, SELECTS, walk
from bot.emulator.layoutrules import GALLERY, THUMBNAIL, words_of

Json = dict[str, Any]


def words(message: Json) -> str:
    """All that it says, whether as content, in embeds or as a layout."""
    told = [message["content"], words_of(message["components"])]
    for embed in message["embeds"]:
        told += [embed.get("title"), embed.get("description")]
        told += [f"{field['name']} {field['value']}" for field in embed.get("fields") or []]
        told.append((embed.get("footer") or {}).get("text"))
    return "\n".join(text for text in told if text)


def pictures(message: Json) -> list[Json]:
    """What galleries and thumbnails show: {media, description, spoiler}."""
    found: list[Json] = []
    for component, _ in walk(message["components"], ()):
        if component["type"] == GALLERY:
            found += component["items"]
        elif component["type"] == THUMBNAIL:
            found.append(component)
    return found


def buttons(message: Json) -> list[Json]:
    return [c for c, _ in walk(message["components"], ()) if c["type"] == BUTTON]


def selects(message: Json) -> list[Json]:
    return [c for c, _ in walk(message["components"], ()) if c["type"] in SELECTS]


def button(message: Json, label: str) -> Json:
    """LookupError names the buttons that are there."""
    for found in buttons(message):
        if label in (found.get("label"), (found.get("emoji") or {}).get("name")):
            return found
    there = [found.get("label") for found in buttons(message)]
    raise LookupError(f"no button {label!r} among {there}")
