"""Pictures in embeds and behind bare links: attached, or linked from elsewhere by proxy."""

import hashlib
import re

from bot.emulator import payloads
from bot.emulator.world import Attachment, Json, Message, World

LINK = re.compile(
    r"(?<![<\w])https?://[^\s<>)]+\.(?:png|jpe?g|gif|webp)(?:\?[^\s<>)]*)?(?![\w>])", re.I
)
MOST_UNFURLED = 5


def shown_embed(world: World, message: Message, embed: Json) -> Json:
    shown = {"type": "rich", **embed}
    for slot in ("image", "thumbnail"):
        if (shown.get(slot) or {}).get("url"):
            shown[slot] = picture(world, message, shown[slot])
    for slot in ("author", "footer"):
        if url := (shown.get(slot) or {}).get("icon_url"):
            proxied = picture(world, message, {"url": url})
            shown[slot] = shown[slot] | {
                "icon_url": proxied["url"],
                "proxy_icon_url": proxied["proxy_url"],
            }
    return shown


def picture(world: World, message: Message, wish: Json) -> Json:
    url = str(wish["url"])
    if (item := attached(message, url)) is not None:
        found = payloads.attachment(item, world)
        keys = ("url", "proxy_url", "width", "height")
        return wish | {key: found[key] for key in keys if key in found}
    return wish | {"url": url, "proxy_url": proxied(world, url)}


def attached(message: Message, url: str) -> Attachment | None:
    """The file of the message that attachment://name stands for."""
    if not url.startswith("attachment://"):
        return None
    name = url.removeprefix("attachment://")
    return next((item for item in message.attachments if item.filename == name), None)


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
