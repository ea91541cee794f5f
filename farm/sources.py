"""The stored pictures that a job starts from: fetched, checked against recipe and hash lists, decoded.

What no job of ours delivered came from a stranger: it is opened in a process of its own.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from farm import pictures
from farm.engine.messages import Finding, Input, Picture
from farm.safety.cell import Cell
from shared.errors import Fault, Refusal
from shared.safety.verdict import Decision
from shared.spec import RenderSpec, Source

Get = Callable[[str], Awaitable[bytes]]  # of the store, by key
MOST_PIXELS = 64 * 2**20  # of one job's pictures together: they cross the pipe in one message
LARGEST = (
    2_048  # pixels of a stranger's longer side: no canvas is larger by much, and a phone's are
)


class Screen(Protocol):
    """The hash lists: of a file, and of a file whose pixels somebody else has decoded."""

    async def screen_upload(self, data: bytes) -> Finding: ...
    async def screen_file(self, data: bytes, picture: Picture) -> Finding: ...


class SourceBlocked(Exception):
    """A picture that a job starts from must not be used; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Sources:
    """How stored pictures are had, and by whom strangers' ones are opened."""

    get: Get
    screen: Screen
    cell: Cell

    async def tile(self, source: Source) -> bytes:
        """The file of a picture that we delivered. SourceBlocked by a hash list. Fault `tile_altered` when
        it is not the one that the recipe names."""
        data = await self._file(source)
        _pass(await self.screen.screen_upload(data))
        return data

    async def all(self, spec: RenderSpec, delivered: Collection[str]) -> list[Input]:
        """Every picture that the recipe names, each screened before it is used. Fault `sources_too_large`
        for more than a message holds, `picture_unusable` for a stranger's that is none."""
        inputs: list[Input] = []
        for number, source in enumerate(spec.pictures, 1):
            own = source.key in delivered
            inputs.append(await self._own(source) if own else await self._strange(source, number))
            if sum(one.width * one.height for one in inputs) > MOST_PIXELS:
                raise Fault(
                    "sources_too_large", "The pictures to start from are too large together."
                )
        return inputs

    async def _file(self, source: Source) -> bytes:
        data = await self.get(source.key)
        if hashlib.sha256(data).hexdigest() != source.sha256:
            raise Fault("tile_altered", "The stored picture is not the one that was delivered.")
        return data

    async def _own(self, source: Source) -> Input:
        data = await self.tile(source)
        return await asyncio.to_thread(_decoded, source, data)

    async def _strange(self, source: Source, number: int) -> Input:
        """The file is matched before anybody opens it, and its pixels once the cell has."""
        data = await self._file(source)
        try:
            opened = await self.cell.open(data)
        except Refusal as refusal:
            sentence = f"Picture {number} to start from cannot be used. {refusal.sentence}"
            raise Fault("picture_unusable", sentence) from refusal
        whole = Input(source.sha256, opened.width, opened.height, opened.rgb)
        _pass(await self.screen.screen_file(data, _picture(whole, 0)))
        return await asyncio.to_thread(_shrunk, whole)


def strangers(
    spec: RenderSpec, inputs: Sequence[Input], delivered: Collection[str]
) -> list[Picture]:
    """Those that no job of ours delivered: they have passed no filter yet. A mask shows nothing."""
    named = zip(spec.pictures, inputs, strict=True)
    strange = [one for source, one in named if source.key not in delivered and source != spec.mask]
    return [_picture(one, index) for index, one in enumerate(strange)]


def _pass(finding: Finding) -> None:
    if finding.decision != Decision.ALLOW:
        raise SourceBlocked(finding)


def _picture(one: Input, index: int) -> Picture:
    digest = hashlib.sha256(one.rgb).hexdigest()
    return Picture(index, one.width, one.height, one.rgb, sha256=digest, seed=0)


def _decoded(source: Source, data: bytes) -> Input:
    image = pictures.opened(data).convert("RGB")
    return Input(source.sha256, image.width, image.height, image.tobytes())


def _shrunk(one: Input) -> Input:
    if max(one.width, one.height) <= LARGEST:
        return one
    image = Image.frombytes("RGB", (one.width, one.height), one.rgb)
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return Input(one.sha256, image.width, image.height, image.tobytes())
