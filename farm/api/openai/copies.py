"""A delivered picture as bytes that JSON can carry. The PNG is the file itself, with its mark and its signed
manifest; of a copy in another format the invisible mark remains, and the manifest does not: it is signed
for the file's own bytes, by a key that no door has."""

import asyncio
from base64 import b64encode
from io import BytesIO

from PIL import Image

from farm.api.openai.shapes import Format
from shared.storage import ObjectStore

LOSSLESS_FROM = 100  # of WebP


async def carried(store: ObjectStore, key: str, form: Format, quality: int) -> str:
    """Faults of the store, `asset_missing` for what was taken back meanwhile."""
    data = await store.get(key)
    return await asyncio.to_thread(_carried, data, form, quality)


def _carried(data: bytes, form: Format, quality: int) -> str:
    return b64encode(copied(data, form, quality)).decode()


def copied(data: bytes, form: Format, quality: int) -> bytes:
    """The same bytes where they are in this format already."""
    with Image.open(BytesIO(data)) as image:
        if image.format == form.upper():
            return data
        written = BytesIO()
        if form == "png":
            image.save(written, "PNG")
        elif form == "webp":
            image.save(written, "WEBP", quality=quality, lossless=quality >= LOSSLESS_FROM)
        else:
            image.convert("RGB").save(written, "JPEG", quality=quality)
    return written.getvalue()
