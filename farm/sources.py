"""The stored pictures that a job starts from: fetched, checked against recipe and hash lists, decoded."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence

from PIL import ImageOps

from farm import pictures
from farm.engine.messages import Finding, Input, Picture
from shared.errors import Fault
from shared.safety.verdict import Decision
from shared.spec import RenderSpec, Source
from shared.uploads import UPLOADS

Get = Callable[[str], Awaitable[bytes]]  # of the store, by key
Screen = Callable[[bytes], Awaitable[Finding]]
BROUGHT = ("PNG", "JPEG", "WEBP")  # as shared.intake takes them
MOST_PIXELS = 64 * 2**20  # of one job's pictures together: they cross the pipe in one message


class SourceBlocked(Exception):
    """A picture that a job starts from must not be used; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


async def fetch(source: Source, get: Get, screen: Screen) -> bytes:
    """SourceBlocked by a hash list. Fault `tile_altered` when the file is not the one that the recipe
    names."""
    data = await get(source.key)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise Fault("tile_altered", "The stored picture is not the one that was delivered.")
    finding = await screen(data)
    if finding.decision != Decision.ALLOW:
        raise SourceBlocked(finding)
    return data


async def fetch_all(spec: RenderSpec, get: Get, screen: Screen) -> list[Input]:
    """Every picture that the recipe names, each screened before it is opened. Fault `sources_too_large`
    for more than a message holds."""
    inputs: list[Input] = []
    for source in spec.pictures:
        data = await fetch(source, get, screen)
        inputs.append(await asyncio.to_thread(_decoded, source, data))
        if sum(one.width * one.height for one in inputs) > MOST_PIXELS:
            raise Fault("sources_too_large", "The pictures to start from are too large together.")
    return inputs


def strangers(
    spec: RenderSpec, inputs: Sequence[Input], delivered: Collection[str]
) -> list[Picture]:
    """Those that no job of ours delivered: they have passed no filter yet. A mask shows nothing."""
    named = zip(spec.pictures, inputs, strict=True)
    strange = [one for source, one in named if source.key not in delivered and source != spec.mask]
    return [_picture(one, index) for index, one in enumerate(strange)]


def _picture(one: Input, index: int) -> Picture:
    digest = hashlib.sha256(one.rgb).hexdigest()
    return Picture(index, one.width, one.height, one.rgb, sha256=digest, seed=0)


def _decoded(source: Source, data: bytes) -> Input:
    """Upright: a camera writes down how it was held instead of turning the picture."""
    formats = BROUGHT if source.key.startswith(UPLOADS) else ("PNG",)
    image = ImageOps.exif_transpose(pictures.opened(data, formats)).convert("RGB")
    return Input(source.sha256, image.width, image.height, image.tobytes())
