"""Pictures in messages: attached, linked from elsewhere by proxy, or unfurled from bare links."""

import hashlib
import re

from bot.emulator import payloads
from bot.emulator.world import Json, Message, World

LINK = re.compile(
    r"(?<![<\w])https?://[^\s<>)]+\.(?:png|jpe?g|gif|webp)(?:\?[^\s<>)]*)?(?![\w>])", re.I
)
MOST_UNFURLED = 5
MEDIA_SLOTS = ("media", "file")


def shown_embed(world: World, message: Message, embed: Json) -> Json:
    shown = {"type": "rich", **embed}
    for slot in ("image", "thumbnail"):
        if (shown.get(slot) or {}).get("url"):
            shown[slot] = _picture(world, message, shown[slot])
    for slot in ("author", "footer"):
        if url := (shown.get(slot) or {}).get("icon_url"):
            proxied = _picture(world, message, {"url": url})
            shown[slot] = shown[slot] | {
                "icon_url": proxied["url"],
                "proxy_icon_url": proxied["proxy_url"],
            }
    return shown


def _picture(world: World, message: Message, picture: Json) -> Json:
    url = str(picture["url"])
    if url.startswith("attachment://"):
        name = url.removeprefix("attachment://")
        for item in message.attachments:
            if item.filename == name:
                found = payloads.attachment(item, world)
                keys = ("url", "proxy_url", "width", "height")
                return picture | {key: found[key] for key in keys if key in found}
    return picture | {"url": url, "proxy_url": proxied(world, url)}


def proxied(world: World, url: str) -> str:
    """The address at which this server hands out a picture from elsewhere, as Discord does."""
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    world.media[key] = url
    return f"{world.base_url}/media/{key}"


def unfurled(world: World, content: str) -> list[Json]:
    """Embeds for bare links to pictures, unless they stand in <angle brackets>."""
    links = list(dict.fromkeys(LINK.findall(content)))[:MOST_UNFURLED]
    return [
        {
            "type": "image",
            "url": link,
            "thumbnail": {"url": link, "proxy_url": proxied(world, link)},
        }
        for link in links
    ]


def shown_components(world: World, message: Message, components: list[Json]) -> list[Json]:
    """With the ids and addresses that Discord adds."""
    counter = iter(range(1, 1000))

    def show(component: Json) -> Json:
        shown = {**component, "id": component.get("id") or next(counter)}
        for slot in MEDIA_SLOTS:
            if slot in shown:
                shown[slot] = _picture(world, message, shown[slot])
        if "items" in shown:
            items = shown["items"]
            shown["items"] = [i | {"media": _picture(world, message, i["media"])} for i in items]
        if "accessory" in shown:
            shown["accessory"] = show(shown["accessory"])
        if "components" in shown:
            shown["components"] = [show(child) for child in shown["components"]]
        return shown

    return [show(component) for component in components]
