"""Drawn pictures as OpenAI's clients get them while they are drawn: previews, then each picture."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from farm.api.openai.answers import encoded, size_of
from farm.api.openai.asked import Asked
from farm.api.openai.drawing import Drawn, delivered
from farm.api.openai.errors import error_of
from farm.api.openai.shapes import Completed, Kind, Partial, usage_of
from farm.api.problems import problem_of
from farm.api.services import Services
from shared.assets import Asset
from shared.errors import Fault, Refusal
from shared.jobs import Job
from shared.orders import Person


@dataclass(frozen=True, slots=True)
class Telling:
    services: Services
    person: Person
    asked: Asked
    kind: Kind

    async def events(self, jobs: Sequence[Job]) -> AsyncGenerator[bytes]:
        """Ends early with what went wrong, where something does."""
        left = self.asked.partial_images or 0
        try:
            for job in jobs:
                async with aclosing(self._previews(job, left)) as previews:
                    async for preview in previews:
                        yield preview
                left = 0  # one job's are enough
                drawn = await delivered(self.services, self.person, job)
                for file in drawn.pictures:
                    yield await self._completed(drawn, file)
        except (Refusal, Fault) as error:
            said = error_of(problem_of(error)).model_dump_json()
            yield format_sse_event(event="error", data_str=said)

    async def _previews(self, job: Job, most: int) -> AsyncGenerator[bytes]:
        """Until the job has ended."""
        shown = 0
        async with (
            self.services.following.job(job.id) as follower,
            aclosing(follower.read()) as stream,
        ):
            async for told in stream:
                if told is None:
                    yield KEEPALIVE_COMMENT
                elif told.type == "preview" and shown < most:
                    yield await self._partial(job, told.data["key"], shown)
                    shown += 1

    async def _partial(self, job: Job, key: str, number: int) -> bytes:
        """What was taken back before it could be read is passed over."""
        try:
            picture = await encoded(self.services, self.asked, key)
        except Fault:
            return KEEPALIVE_COMMENT
        return _event(
            Partial(
                type=f"{self.kind}.partial_image",
                b64_json=picture,
                partial_image_index=number,
                created_at=int(time.time()),
                output_format=self.asked.file_format,
                quality=self.asked.shown_quality,
                size=f"{job.spec.width * job.spec.scale}x{job.spec.height * job.spec.scale}",
            )
        )

    async def _completed(self, drawn: Drawn, file: Asset) -> bytes:
        """The bill is the job's: its pictures share it, the first has what does not divide."""
        share, rest = divmod(drawn.job.charged_ms or 0, len(drawn.pictures))
        return _event(
            Completed(
                type=f"{self.kind}.completed",
                b64_json=await encoded(self.services, self.asked, file.key),
                created_at=int(time.time()),
                output_format=self.asked.file_format,
                quality=self.asked.shown_quality,
                size=size_of(drawn),
                usage=usage_of(share + (rest if file.index == 0 else 0)),
            )
        )


def _event(said: Partial | Completed) -> bytes:
    return format_sse_event(event=said.type, data_str=said.model_dump_json())
