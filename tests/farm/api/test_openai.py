"""OpenAI's images API, spoken by their own client over a real socket."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import pytest
from fastapi import FastAPI
from openai import (
    APIError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
)
from PIL import Image

from farm.api import following as followings
from farm.api.services import Services
from shared import joblists
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from tests.bot.farmhand import Farmhand
from tests.farm.api.conftest import NewKey
from tests.farm.api.serving import serving

WITHIN_S = 20.0
PREVIEW = "previews/rough.webp"


def picture(colour: str, form: str = "PNG", size: tuple[int, int] = (64, 64)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, form)
    return written.getvalue()


class Artist:
    """The farm in miniature: it draws every job that waits, or does whatever else it is told to."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._farm = Farmhand(services.database, services.events, services.plans)
        self.jobs: list[Job] = []
        self.finish: Callable[[Job], Any] = self.draw

    async def work(self) -> None:
        while True:
            for job in await self._waiting():
                running = await self._farm.start(job.id)
                self.jobs.append(running)
                await self.finish(running)
            await asyncio.sleep(0.01)

    async def draw(self, job: Job) -> None:
        for index in range(job.spec.images):
            await self._put(f"{job.id}/1/{index}.png", picture(f"rgb({index}, 99, 0)"))
        await self._farm.succeed(job)

    async def show_and_draw(self, job: Job) -> None:
        await self._put(PREVIEW, picture("gray", "WEBP"))
        for step in (4, 8):
            preview = JobEvent(job.id, EventKind.PREVIEW, step=step, key=PREVIEW)
            await self._services.events.publish(preview)
            await asyncio.sleep(0.2)
        await self.draw(job)

    async def block(self, job: Job) -> None:
        await self._farm.block(job)

    async def fail(self, job: Job) -> None:
        await self._farm.fail(job, "The GPU caught fire.")

    async def dawdle(self, job: Job) -> None:
        """Begun, and never finished."""

    async def now(self, job: Job) -> Job:
        return await self._farm.load(job.id)

    async def _put(self, key: str, data: bytes) -> None:
        if not await self._services.store.exists(key):
            await self._services.store.put(key, data, mime="image/png")

    async def _waiting(self) -> list[Job]:
        async with self._services.database.single() as session:
            return await joblists.waiting(session)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followings, "LOOK_EVERY_S", 0.05)


@pytest.fixture
async def artist(services: Services) -> AsyncIterator[Artist]:
    made = Artist(services)
    working = asyncio.create_task(made.work())
    yield made
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


@pytest.fixture
async def openai(
    app: FastAPI, services: Services, artist: Artist, new_key: NewKey
) -> AsyncIterator[AsyncOpenAI]:
    key = await new_key()
    async with (
        serving(app, services) as address,
        AsyncOpenAI(
            api_key=key, base_url=f"{address}/v1", max_retries=0, timeout=WITHIN_S
        ) as client,
    ):
        yield client


def opened(b64_json: str | None) -> Image.Image:
    return Image.open(BytesIO(b64decode(b64_json or "")))


async def test_one_picture_is_one_picture(openai: AsyncOpenAI, artist: Artist) -> None:
    told = await openai.images.generate(prompt="a red sailboat", model="gpt-image-1")
    (job,) = artist.jobs
    assert (job.spec.images, job.spec.checkpoint) == (1, "postcards")
    assert (told.size, told.quality, told.output_format) == ("64x64", "medium", "png")
    assert told.data
    assert len(told.data) == 1
    assert told.data[0].url
    assert opened(told.data[0].b64_json).format == "PNG"
    assert told.usage
    spent = (await artist.now(job)).charged_ms
    assert (told.usage.output_tokens, told.usage.total_tokens) == (spent, spent)


async def test_what_is_asked_for_becomes_the_grammar(
    openai: AsyncOpenAI, artist: Artist, services: Services
) -> None:
    told = await openai.images.generate(
        prompt="a red sailboat",
        model="postcards",
        n=3,
        size="1536x1024",
        quality="low",
        output_format="webp",
        output_compression=60,
        response_format="b64_json",
        user="user-17",
    )
    (job,) = artist.jobs
    assert job.prompt == "a red sailboat --model postcards --ar 3:2 --quality 0.5"
    assert (job.spec.images, job.spec.steps, job.spec.width, job.spec.height) == (3, 6, 96, 64)
    assert told.data
    assert [opened(one.b64_json).format for one in told.data] == ["WEBP"] * 3
    assert [one.url for one in told.data] == [None] * 3
    assert (told.quality, told.output_format) == ("low", "webp")


async def test_pictures_come_while_they_are_drawn(openai: AsyncOpenAI, artist: Artist) -> None:
    artist.finish = artist.show_and_draw
    stream = await openai.images.generate(
        prompt="a red sailboat", n=2, stream=True, partial_images=1, output_format="jpeg"
    )
    told = [event async for event in stream]
    assert [one.type for one in told] == [
        "image_generation.partial_image",
        "image_generation.completed",
        "image_generation.completed",
    ]
    assert [opened(one.b64_json).format for one in told] == ["JPEG"] * 3
    spent = [one.usage.output_tokens for one in told if one.type == "image_generation.completed"]
    (job,) = artist.jobs
    assert sum(spent) == (await artist.now(job)).charged_ms


async def test_models_are_told_in_their_form(openai: AsyncOpenAI) -> None:
    found = [one async for one in openai.models.list()]
    assert [one.id for one in found] == ["postcards"]
    assert (await openai.models.retrieve("postcards")).object == "model"


async def test_errors_are_theirs(openai: AsyncOpenAI, artist: Artist) -> None:
    with pytest.raises(BadRequestError) as bad:
        await openai.images.generate(prompt="a red sailboat", size="20x1")
    assert (bad.value.code, bad.value.type) == ("aspect_out_of_range", "invalid_request_error")
    with pytest.raises(BadRequestError) as bad:
        await openai.images.generate(prompt="a red sailboat", n=11)
    assert (bad.value.code, bad.value.param) == ("invalid_request", "n")
    with pytest.raises(BadRequestError) as bad:
        await openai.images.generate(prompt="a red sailboat", background="transparent")
    assert (bad.value.code, bad.value.param) == ("unsupported_value", "background")
    with pytest.raises(NotFoundError) as unknown:
        await openai.images.generate(prompt="a red sailboat", model="mona-lisa")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(AuthenticationError) as stranger:
        await openai.with_options(api_key="sk-none").images.generate(prompt="a red sailboat")
    assert stranger.value.code == "invalid_api_key"
    artist.finish = artist.block
    with pytest.raises(BadRequestError) as blocked:
        await openai.images.generate(prompt="a red sailboat")
    assert (blocked.value.code, blocked.value.type) == (
        "content_policy_violation",
        "image_generation_user_error",
    )
    artist.finish = artist.fail
    stream = await openai.images.generate(prompt="a red sailboat", stream=True)
    with pytest.raises(APIError, match="caught fire"):
        _ = [event async for event in stream]


async def test_no_credit_is_their_quota(openai: AsyncOpenAI, services: Services) -> None:
    farm = Farmhand(services.database, services.events, services.plans)
    await farm.spend_all("1001", "Person 1001")
    with pytest.raises(RateLimitError) as spent:
        await openai.images.generate(prompt="a red sailboat")
    assert spent.value.code == "insufficient_quota"


@pytest.mark.parametrize("stream", [False, True])
async def test_who_hangs_up_pays_nothing(openai: AsyncOpenAI, artist: Artist, stream: Any) -> None:
    """Their client asks again by itself after a line that broke."""
    artist.finish = artist.dawdle
    asking = asyncio.create_task(_asked(openai, stream))
    async with asyncio.timeout(WITHIN_S):
        while not artist.jobs:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        while (await artist.now(artist.jobs[0])).state is not JobState.CANCELLED:
            await asyncio.sleep(0.01)


async def _asked(openai: AsyncOpenAI, stream: Any) -> None:
    told = await openai.images.generate(prompt="a red sailboat", stream=stream)
    if stream:
        _ = [event async for event in told]


async def test_the_same_key_gets_the_same_pictures(openai: AsyncOpenAI, artist: Artist) -> None:
    mine = {"Idempotency-Key": "once"}
    first = await openai.images.generate(prompt="a red sailboat", extra_headers=mine)
    again = await openai.images.generate(prompt="a red sailboat", extra_headers=mine)
    assert first.data == again.data
    assert len(artist.jobs) == 1


def sailboat() -> bytes:
    return picture("red")


def clear_corner(side: int = 64) -> bytes:
    """As their clients say it: what is transparent is to be drawn anew."""
    mask = Image.new("RGBA", (side, side), "black")
    mask.paste((0, 0, 0, 0), (0, 0, side // 2, side // 2))
    written = BytesIO()
    mask.save(written, "PNG")
    return written.getvalue()


async def test_an_edit_with_a_mask_draws_its_clear_part_anew(
    openai: AsyncOpenAI, artist: Artist, services: Services
) -> None:
    told = await openai.images.edit(
        image=("boat.png", sailboat()),
        mask=("mask.png", clear_corner()),
        prompt="a red sailboat",
        n=2,
    )
    assert told.data
    assert len(told.data) == 2
    (job,) = artist.jobs
    assert job.spec.kind == "inpaint"
    assert job.spec.mask
    with Image.open(BytesIO(await services.store.get(job.spec.mask.key))) as mask:
        assert (mask.getpixel((0, 0)), mask.getpixel((63, 63))) == (255, 0)


async def test_an_edit_without_one_starts_from_all_pictures_in_the_first_ones_shape(
    openai: AsyncOpenAI, artist: Artist
) -> None:
    stream = await openai.images.edit(
        image=[("boat.png", picture("red", size=(96, 64))), ("sea.png", sailboat())],
        prompt="a red sailboat",
        stream=True,
    )
    assert [event.type async for event in stream] == ["image_edit.completed"]
    (job,) = artist.jobs
    assert len(job.spec.sources) == 2
    assert (job.spec.width, job.spec.height) == (96, 64)


async def test_a_variation_needs_no_words(openai: AsyncOpenAI, artist: Artist) -> None:
    with pytest.deprecated_call():  # by them, not here
        told = await openai.images.create_variation(image=("boat.png", sailboat()), n=2)
    (job,) = artist.jobs
    assert (job.kind, job.spec.images, len(told.data or [])) == ("blend", 2, 2)
    assert len(set(job.spec.sources)) == 1


async def test_what_is_no_picture_is_refused_by_its_field(openai: AsyncOpenAI) -> None:
    boat = ("boat.png", sailboat())
    with pytest.raises(BadRequestError) as bad:
        await openai.images.edit(image=("boat.png", b"no picture"), prompt="a red sailboat")
    assert (bad.value.code, bad.value.param) == ("unfit_picture", "image")
    for mask in (sailboat(), clear_corner(32), clear_corner()[:-30]):
        with pytest.raises(BadRequestError) as bad:
            await openai.images.edit(image=boat, mask=("m.png", mask), prompt="a red sailboat")
        assert bad.value.param == "mask"
