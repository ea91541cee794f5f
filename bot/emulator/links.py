"""Addresses of files. Those that people give to options and forms are signed, and end."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

from bot.emulator.world import Attachment, World

LIVES_S = 24 * 3600


def address(item: Attachment, world: World) -> str:
    """As Discord's CDN spells it: `ex` is the hexadecimal second at which it ends."""
    folder = "ephemeral-attachments" if item.ephemeral else "attachments"
    url = f"{world.base_url}/cdn/{folder}/{item.channel_id}/{item.id}/{quote(item.filename)}"
    if item.ends is None:
        return url
    ends = f"{int(item.ends):x}"
    return f"{url}?ex={ends}&is={int(item.ends) - LIVES_S:x}&hm={_signature(item, ends, world)}"


def stands(item: Attachment, query: Mapping[str, str], world: World) -> bool:
    """Whether what was asked for is an address of ours that has not ended."""
    if item.ends is None:
        return True
    ends = query.get("ex", "")
    signed = hmac.compare_digest(query.get("hm", ""), _signature(item, ends, world))
    return signed and world.clock.now() < item.ends


def _signature(item: Attachment, ends: str, world: World) -> str:
    key, text = world.token.encode(), f"{item.id} {ends}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
