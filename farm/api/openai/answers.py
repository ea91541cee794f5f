"""Drawn pictures as OpenAI's clients get them all at once."""

import time
from collections.abc import Sequence

from farm.api.openai.asked import Asked
from farm.api.openai.copies import carried
from farm.api.openai.drawing import Drawn
from farm.api.openai.shapes import Image, Images, usage_of
from farm.api.services import Services
from shared.assets import Asset
from shared.jobs import Job


async def images(services: Services, asked: Asked, drawn: Sequence[Drawn]) -> Images:
    data = [await _image(services, asked, one.job, file) for one in drawn for file in one.pictures]
    return Images(
        created=int(time.time()),
        data=data,
        output_format=asked.file_format,
        quality=asked.shown_quality,
        size=size_of(drawn[0]),
        usage=usage_of(sum(one.job.charged_ms or 0 for one in drawn)),
    )


def size_of(drawn: Drawn) -> str:
    return next((f"{one.width}x{one.height}" for one in drawn.pictures), "auto")


async def encoded(services: Services, asked: Asked, key: str) -> str:
    quality = 100 if asked.output_compression is None else asked.output_compression
    return await carried(services.store, key, asked.file_format, quality)


async def _image(services: Services, asked: Asked, job: Job, file: Asset) -> Image:
    return Image(
        b64_json=await encoded(services, asked, file.key) if asked.wants("b64_json") else None,
        url=services.store.url(file.key) if asked.wants("url") else None,
        revised_prompt=job.prompt,
        job_id=str(job.id),
        index=file.index,
    )
