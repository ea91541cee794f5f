"""Components as Discord gives them back: ids, defaults, and addresses of what they show."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from bot.emulator import payloads
from bot.emulator.componentrules import walk
from bot.emulator.errors import Problem, invalid_body
from bot.emulator.layoutrules import CONTAINER, FILE, GALLERY, SEPARATOR, THUMBNAIL
from bot.emulator.media import attached, proxied
from bot.emulator.world import Json, Message, World

DEFAULTS: dict[Any, Json] = {
    THUMBNAIL: {"description": None, "spoiler": False},
    FILE: {"spoiler": False},
    SEPARATOR: {"divider": True, "spacing": 1},
    CONTAINER: {"accent_color": None, "spoiler": False},
}


def shown_components(world: World, message: Message, components: list[Json]) -> list[Json]:
    taken = {component.get("id") for component, _ in walk(components, ())}
    free = (id for id in count(1) if id not in taken)
    return [_shown(world, message, component, free) for component in components]


def _shown(world: World, message: Message, component: Json, free: Iterator[int]) -> Json:
    kind = component["type"]
    shown = {**DEFAULTS.get(kind, {}), **component, "id": component.get("id") or next(free)}
    if kind == GALLERY:
        shown["items"] = [_item(world, message, item) for item in component["items"]]
    elif kind == THUMBNAIL:
        shown["media"] = _media(world, message, component["media"])
    elif kind == FILE:
        shown |= _file(world, message, component["file"])
    if "accessory" in component:
        shown["accessory"] = _shown(world, message, component["accessory"], free)
    if "components" in component:
        shown["components"] = [
            _shown(world, message, child, free) for child in component["components"]
        ]
    return shown


def _item(world: World, message: Message, item: Json) -> Json:
    media = _media(world, message, item["media"])
    return {"description": None, "spoiler": False, **item, "media": media}


def _media(world: World, message: Message, wish: Json) -> Json:
    """Discord's unfurled media. A picture that is attached must be there."""
    url = str(wish["url"])
    if (item := attached(message, url)) is not None:
        found = payloads.attachment(item, world)
        keys = ("url", "proxy_url", "width", "height", "content_type")
        about = {key: found.get(key) for key in keys}
        return {"id": world.snowflakes.next(), "attachment_id": item.id} | about
    if url.startswith("attachment://"):
        sentence = "The referenced attachment was not found"
        code = "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"
        raise invalid_body([Problem(("components",), code, sentence)])
    return {"id": world.snowflakes.next(), "url": url, "proxy_url": proxied(world, url)}


def _file(world: World, message: Message, wish: Json) -> Json:
    media = _media(world, message, wish)
    item = world.attachments[media["attachment_id"]]
    return {"file": media, "name": item.filename, "size": len(item.content)}
