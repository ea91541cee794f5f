"""Files that a request carries, kept at a CDN-like address."""

import mimetypes
import re
from dataclasses import dataclass, field
from pathlib import PurePath

from bot.emulator import people
from bot.emulator.errors import ApiError
from bot.emulator.picturesizes import picture_size
from bot.emulator.world import Attachment, Json, World

YOUNG_TYPES = {".webp": "image/webp", ".avif": "image/avif"}


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carried: its JSON and its files by index."""

    json: Json = field(default_factory=dict)
    files: dict[int, Upload] = field(default_factory=dict)


def store(
    world: World,
    upload: Upload,
    *,
    channel_id: str | None = None,
    about: Json | None = None,
    ends: float | None = None,
) -> Attachment:
    """Keep a file at a CDN-like address; without a channel it is an ephemeral one."""
    if len(upload.content) > world.rules.max_file_bytes:
        raise ApiError(40005)
    about = about or {}
    name = about.get("filename") or upload.filename
    item = Attachment(
        id=world.snowflakes.next(),
        filename=re.sub(r"[^\w.\-]", "_", name),
        content_type=content_type(name),
        content=upload.content,
        channel_id=channel_id or people.APPLICATION_ID,
        description=about.get("description"),
        size=picture_size(upload.content),
        ephemeral=channel_id is None,
        ends=ends,
    )
    world.attachments[item.id] = item
    return item


def content_type(name: str) -> str:
    """By the name's ending, as Discord tells it."""
    suffix = PurePath(name).suffix.lower()
    # Not every system's list knows the younger formats.
    known = YOUNG_TYPES.get(suffix) or mimetypes.guess_type(name)[0]
    if known and known.startswith("text/"):
        return f"{known}; charset=utf-8"
    return known or "application/octet-stream"
