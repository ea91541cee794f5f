"""Width and height of a picture from its bytes: what Discord tells beside an attachment."""

import struct

Size = tuple[int, int]
# Frames of a JPEG, by their marker: baseline, progressive and the rarer ones.
FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def picture_size(content: bytes) -> Size | None:
    """None where it is no PNG, GIF, JPEG, WebP or AVIF, or ends too soon."""
    try:
        if content[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack_from(">II", content, 16)
        if content[:4] == b"GIF8":
            return struct.unpack_from("<HH", content, 6)
        if content[:2] == b"\xff\xd8":
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
        if content[4:12] == b"ftypavif":
            return _avif(content)
    except struct.error:
        pass
    return None


def _jpeg(content: bytes) -> Size | None:
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker, length = struct.unpack_from(">xBH", content, place)
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 2 + length
    return None


def _webp(content: bytes) -> Size:
    kind = content[12:16]
    if kind == b"VP8X":
        wide, high = struct.unpack_from("<3s3s", content, 24)
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _avif(content: bytes) -> Size | None:
    # The box that tells the extent of the first, shown item.
    place = content.find(b"ispe")
    return struct.unpack_from(">II", content, place + 8) if place > 0 else None
