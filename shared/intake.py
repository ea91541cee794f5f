"""Takes in the pictures that an ask names by links: fetched with care, looked at, kept as our own copies."""

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from uuid import UUID

from pydantic import SecretStr

from shared import uploads
from shared.errors import Fault, Refusal
from shared.safefetch import fetch
from shared.spec import Source
from shared.storage import ObjectStore

MOST_LINKS = 20  # of one ask: pictures, looks and characters together
MOST_PIXELS = 16 * 2**20
LONGEST_SIDE = 8_192
LEAST_SIDE = 16
PLAIN = "application/octet-stream"  # whatever it claims to be, nobody is to show it
_ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}


@dataclass(frozen=True, slots=True)
class Upload:
    """`data` is None for what lies in the store already; no `size` where nobody looked at it."""

    source: Source
    data: bytes | None = None
    size: tuple[int, int] | None = None


Taken = Mapping[str, Upload]  # by their links


class Intake:
    def __init__(self, store: ObjectStore, origins: Collection[str] = ()) -> None:
        """`origins` are ours, a local Discord's for example: links to them need not be public."""
        self._store = store
        self._origins = origins

    async def fetched(self, links: Sequence[str]) -> Mapping[str, Upload]:
        """Each link's picture, not kept yet. Refusal `invalid_link` that says which link is wrong and why."""
        wanted = list(dict.fromkeys(links))
        if len(wanted) > MOST_LINKS:
            sentence = (
                f"These are {len(wanted)} pictures and {MOST_LINKS} is the most of one prompt."
            )
            raise Refusal("too_many_pictures", sentence, field="images")
        taken = await asyncio.gather(
            *(self._one(link, links.index(link) + 1) for link in wanted), return_exceptions=True
        )
        for one in taken:
            if isinstance(one, BaseException):
                raise one
        return dict(zip(wanted, (one for one in taken if isinstance(one, Upload)), strict=True))

    async def keep(self, taken: Iterable[Upload]) -> None:
        """Faults of the store; what was written until then is taken away again."""
        kept = list(taken)
        try:
            for one in kept:
                if one.data is not None:
                    await self._store.put(one.source.key, one.data, mime=PLAIN)
        except Fault:
            await self.discard(kept)
            raise

    async def brought(self, data: bytes, whose: UUID, pepper: SecretStr) -> Upload:
        """A file that somebody sent, kept: the same again is the same picture. What no job names is gone
        after a while. Refusal `unfit_picture`."""
        seen = await asyncio.to_thread(looked_at, data)
        ending = seen.source.key.rpartition(".")[2]
        key = uploads.lasting_key(ending, whose, data, pepper)
        if not await self._store.exists(key):
            await self._store.put(key, data, mime=PLAIN)
        return replace(seen, source=replace(seen.source, key=key))

    async def discard(self, taken: Iterable[Upload]) -> None:
        """What came to nothing. Where the store is away, the sweep does it later."""
        for one in taken:
            if one.data is not None:
                with suppress(Fault):
                    await self._store.delete(one.source.key)

    async def _one(self, link: str, position: int) -> Upload:
        try:
            own = uploads.key_of(link)
            return await self._known(own) if own else await self._foreign(link)
        except Refusal as refusal:
            raise _invalid(position, link, refusal.sentence) from refusal

    async def _foreign(self, link: str) -> Upload:
        data = await fetch(link, allowed=self._origins)
        return await asyncio.to_thread(looked_at, data)

    async def _known(self, key: str) -> Upload:
        try:
            data = await self._store.get(key)
        except Fault as fault:
            if fault.code != "asset_missing":
                raise
            gone = "That picture is no longer kept. Attach it once more."
            raise Refusal("link_failed", gone) from fault
        seen = await asyncio.to_thread(looked_at, data)
        return Upload(Source(key, seen.source.sha256), size=seen.size)


def looked_at(data: bytes) -> Upload:
    """By its head alone: nothing is decoded here. Refusal for what is no picture that can be drawn from."""
    from PIL import Image  # 20 MB that only an ask with pictures should pay

    try:
        with Image.open(BytesIO(data), formats=list(_ENDINGS)) as image:
            kind, (width, height), frames = image.format, image.size, getattr(image, "n_frames", 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unfit("What lies there is no PNG, JPEG or WebP picture.") from error
    _check_size(width, height)
    if frames != 1:
        raise _unfit("What lies there moves. Use a still picture.")
    key = uploads.new_key(_ENDINGS[kind or "PNG"])
    return Upload(Source(key, hashlib.sha256(data).hexdigest()), data, (width, height))


def _check_size(width: int, height: int) -> None:
    if min(width, height) < LEAST_SIDE:
        raise _unfit(f"The picture is {width}x{height}; {LEAST_SIDE} pixels a side is the least.")
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        most = f"{MOST_PIXELS >> 20} megapixels and {LONGEST_SIDE:,} pixels a side are the most"
        raise _unfit(f"The picture is {width}x{height}; {most}. Make it smaller.")


def _unfit(sentence: str) -> Refusal:
    return Refusal("unfit_picture", sentence, field="images")


def _invalid(position: int, link: str, why: str) -> Refusal:
    shown = link if len(link) <= 60 else f"{link[:57]}..."
    return Refusal(
        "invalid_link", f"Invalid link! Picture {position} ({shown}): {why}", field="images"
    )
