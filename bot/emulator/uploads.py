"""Files that a request carries, kept at a CDN-like address."""

import mimetypes
import re
import struct
from dataclasses import dataclass, field

from bot.emulator.errors import ApiError
from bot.emulator.world import Attachment, Json, World


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
    world: World, channel_id: str, upload: Upload, *, about: Json | None = None
) -> Attachment:
    """Keep a file at a CDN-like address."""
    if len(upload.content) > world.rules.max_file_bytes:
        raise ApiError(40005)
    about = about or {}
    name = about.get("filename") or upload.filename
    item = Attachment(
        id=world.snowflakes.next(),
        filename=re.sub(r"[^\w.\-]", "_", name),
        content_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
        content=upload.content,
        channel_id=channel_id,
        description=about.get("description"),
        size=picture_size(upload.content),
    )
    world.attachments[item.id] = item
    return item


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or WebP, from its first bytes."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) >= 24:
        return struct.unpack(">II", content[16:24])
    if content[:4] == b"GIF8" and len(content) >= 10:
        return struct.unpack("<HH", content[6:10])
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp_size(content)
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(content[24:27], "little") + 1,
            int.from_bytes(content[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", content[26:30])
    return width & 0x3FFF, height & 0x3FFF
