"""Workers whose engine draws nothing: `python -m tests.bench.noop pictor|arq`, settings from the environment.

Both answer with the same four small pictures, encode them with the same code and store the same five files.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool

from farm import delivery
from farm.engine.client import EngineOptions
from farm.engine.messages import (
    Finding,
    Inspect,
    Picture,
    Ready,
    Render,
    Rendered,
    ToChild,
    ToParent,
)
from farm.packing import Packer
from farm.recipes import Weights
from farm.safety.provenance import Unproven
from farm.worker import run_worker
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.jobs import Job, JobKind, JobState
from shared.plans import Speed
from shared.spec import RenderSpec
from shared.storage import ObjectStore, open_store
from shared.weights import WeightedText

PLAIN_QUEUE, OPTIONS, SECONDS = "plain", "PLAIN_ARQ_OPTIONS", "NOOP_ENGINE_SECONDS"
PROMPT = "a red sailboat on the sea at sunset"
SIDE, IMAGES, SCALE = 8, 4, 8


def _picture(index: int) -> Picture:
    rgb = bytes([40 * index, 80, 160]) * SIDE**2
    return Picture(index, SIDE, SIDE, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=index)


PICTURES = [_picture(index) for index in range(IMAGES)]
FINDINGS = [Finding(picture.sha256, "allow", "none", 0.1, "", "noop") for picture in PICTURES]


PACKER = Packer(Unproven(), Weights(read_catalog(SHARED / "catalog.toml")))


class NoopEngine:
    """In the place of the GPU process: every job is drawn in no time, or after `seconds` for all."""

    pid = 0

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._out: asyncio.Queue[ToParent | None] = asyncio.Queue()
        self._out.put_nowait(Ready("cpu", "noop", ["postcards"]))

    async def send(self, message: ToChild) -> None:
        match message:
            case Render() if self._seconds:
                later = asyncio.get_running_loop().call_later
                later(self._seconds, self._out.put_nowait, _rendered(message))
            case Render():
                self._out.put_nowait(_rendered(message))
            case Inspect():
                raise NotImplementedError("the bench asks for pictures alone")

    async def messages(self) -> AsyncIterator[ToParent]:
        while (message := await self._out.get()) is not None:
            yield message

    async def close(self) -> int:
        return 0

    def kill(self) -> None:
        self._out.put_nowait(None)


def _rendered(render: Render) -> Rendered:
    nothing = dict.fromkeys(("load_ms", "denoise_ms", "decode_ms", "filter_ms", "resumed_from"), 0)
    return Rendered(
        render.job_id,
        render.attempt,
        pictures=PICTURES,
        findings=FINDINGS,
        gpu_ms=1,
        **nothing,
    )


async def _pictor() -> None:
    async def start(_: EngineOptions) -> NoopEngine:
        return NoopEngine(float(os.environ.get(SECONDS, "0")))

    await run_worker(Settings(), start=start)


async def _arq() -> None:
    settings = Settings()
    assert settings.redis.url
    store = open_store(settings.storage)

    async def draw(ctx: dict[Any, Any], prompt: str) -> None:
        await _deliver(store, prompt)

    pool = ArqRedis(ConnectionPool.from_url(settings.redis.url.get_secret_value()))
    options = json.loads(os.environ.get(OPTIONS, "{}"))
    worker = Worker([func(draw, name="draw")], queue_name=PLAIN_QUEUE, redis_pool=pool, **options)
    with suppress(asyncio.CancelledError):  # how arq leaves on SIGTERM
        await worker.async_run()


async def _deliver(store: ObjectStore, prompt: str) -> None:
    packed = await PACKER.pack(_job(prompt), PICTURES)
    await delivery.publish(store, packed.parcels, passed=FINDINGS, drawn=PICTURES)


def _job(prompt: str) -> Job:
    spec = RenderSpec(
        checkpoint="postcards",
        texts=(WeightedText(prompt),),
        negative="",
        width=64,
        height=64,
        steps=12,
        guidance=4.0,
        sampler="dpm++2m-karras",
        seed=7,
        images=IMAGES,
        scale=SCALE,
        pixel_art=True,
    )
    return Job(
        id=uuid4(),
        account_id=uuid4(),
        plan="pro",
        kind=JobKind.IMAGINE,
        state=JobState.RUNNING,
        speed=Speed.FAST,
        prompt=prompt,
        spec=spec,
        submission_key="",
        estimate_ms=1,
        attempt=1,
        crashes=0,
        submitted_at=datetime.now(UTC),
    )


if __name__ == "__main__":
    asyncio.run({"pictor": _pictor, "arq": _arq}[sys.argv[1]]())
