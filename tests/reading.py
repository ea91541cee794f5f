"""What stands in a message as JSON, whether it was built as an embed with rows or as a layout."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
BUTTON, TEXT, GALLERY = 2, 10, 12


def parts_of(message: Json) -> Iterator[Json]:
    """Every component, depth first."""
    yield from _below(message["components"])


def _below(components: list[Json]) -> Iterator[Json]:
    for one in components:
        yield one
        yield from _below(one.get("components") or [])


def text_of(message: Json) -> str:
    parts = [message["content"] or ""]
    for embed in message["embeds"]:
        footer = embed.get("footer", {}).get("text", "")
        parts += [embed.get("title", ""), embed.get("description", ""), footer]
    parts += [part["content"] for part in parts_of(message) if part["type"] == TEXT]
    return "\n".join(part for part in parts if part)


def headline_of(message: Json) -> str:
    """The line over a job's pictures."""
    return text_of(message).partition("\n")[0]


def gallery_of(message: Json) -> list[Json]:
    """Its pictures with what they say of themselves."""
    galleries = (part["items"] for part in parts_of(message) if part["type"] == GALLERY)
    return [item for items in galleries for item in items]


def pictures_of(message: Json) -> list[str]:
    """Where its pictures are, as whoever sent them wrote it."""
    embedded = [str(e["image"]["url"]) for e in message["embeds"] if "image" in e]
    return embedded + [str(item["media"]["url"]) for item in gallery_of(message)]


def rows_of(message: Json) -> list[list[Json]]:
    return [part["components"] for part in parts_of(message) if part["type"] == 1]


def buttons_of(message: Json) -> dict[str, str]:
    """Custom ids by what stands on the button."""
    return {
        button.get("label") or button["emoji"]["name"]: button.get("custom_id", "")
        for button in parts_of(message)
        if button["type"] == BUTTON and "sku_id" not in button
    }
