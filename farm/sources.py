"""The stored pictures that a job starts from: fetched, checked against the recipe, decoded."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from farm import pictures
from farm.engine.messages import Input
from shared.errors import Fault
from shared.spec import RenderSpec, Source

Get = Callable[[str], Awaitable[bytes]]  # of the store, by key
MOST_PIXELS = 64 * 2**20  # of one job's pictures together: they cross the pipe in one message


async def fetch(source: Source, get: Get) -> bytes:
    """Fault `tile_altered` when the file is not the one that the recipe names."""
    data = await get(source.key)
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise Fault("tile_altered", "The stored picture is not the one that was delivered.")
    return data


async def fetch_all(spec: RenderSpec, get: Get) -> list[Input]:
    """Every picture that the recipe names. Fault `sources_too_large` for more than a message holds."""
    inputs: list[Input] = []
    for source in spec.pictures:
        data = await fetch(source, get)
        inputs.append(await asyncio.to_thread(_decoded, source, data))
        if sum(one.width * one.height for one in inputs) > MOST_PIXELS:
            raise Fault("sources_too_large", "The pictures to start from are too large together.")
    return inputs


def _decoded(source: Source, data: bytes) -> Input:
    image = pictures.opened(data).convert("RGB")
    return Input(source.sha256, image.width, image.height, image.tobytes())
