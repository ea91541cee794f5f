"""From the jobs that were accepted to their pictures, for a client that waits on the line."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from farm.api.services import Services
from shared import assets
from shared.assets import Asset
from shared.errors import Fault, Refusal
from shared.jobs import Job, JobState
from shared.orders import Person

T = TypeVar("T")

WAIT_S = 590.0  # their client gives up after ten minutes


class Gone(Exception):
    """Nobody is on the line any more."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A job that succeeded, and its pictures in order."""

    job: Job
    pictures: tuple[Asset, ...]


async def drawn(services: Services, person: Person, jobs: Sequence[Job]) -> list[Drawn]:
    """When all have ended. Refusal or Fault where one has no pictures, and why."""
    try:
        async with asyncio.timeout(WAIT_S):
            for job in jobs:
                async for _ in services.following.events(job.id):
                    pass
    except TimeoutError as error:
        raise _too_slow() from error
    return [await delivered(services, person, job) for job in jobs]


async def delivered(services: Services, person: Person, job: Job) -> Drawn:
    ended = await services.desk.job(person, job.id)
    _check(ended)
    async with services.database.single() as session:
        files = await assets.assets(session, job.id)
    return Drawn(ended, tuple(one for one in files if one.kind == "image"))


async def let_go(services: Services, person: Person, jobs: Sequence[Job]) -> None:
    """Nobody waits for them any more, and nobody pays for what nobody gets."""
    for job in jobs:
        with suppress(Refusal, Fault):
            await services.desk.cancel(person, job.id)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """`Gone` when the client hangs up first."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _check(job: Job) -> None:
    if job.state is JobState.SUCCEEDED:
        return
    sentence = job.error_sentence or "This job was cancelled. Nothing was charged."
    if job.state is JobState.FAILED:
        raise Fault(job.error_code or "failed", sentence)
    raise Refusal(job.error_code or job.state.value, sentence)


def _too_slow() -> Fault:
    sentence = "It took too long to draw this. Nothing was charged; please try again later."
    return Fault("took_too_long", sentence, retryable=True)
