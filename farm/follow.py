"""Follow one job from a terminal: a bar while it waits and draws, the row when it has ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from shared.connections import Database
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.jobstore import load
from shared.waits import place_and_time

LOOK_EVERY_S = 0.5  # Postgres is asked too: an event may be lost
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
    TextColumn("{task.fields[rate]}"),
    TimeElapsedColumn(),
)


async def follow(database: Database, redis: "Redis", job: Job, console: Console) -> Job:
    """Shows progress until the job is terminal."""
    with Progress(*_COLUMNS, console=console, transient=True) as progress:
        bar = progress.add_task("waiting", total=job.spec.steps, rate="")
        async with aclosing(_events_of(redis, job.id)) as events:
            async for event in events:
                if event is not None and event.kind is not EventKind.STATE:
                    _show(progress, bar, event)
                    continue
                row = await _row(database, job.id)
                if row.state.terminal:
                    return row
                if row.state is JobState.DISPATCHED:
                    progress.update(bar, description="a GPU is taking it on")
    raise AssertionError("the events end only with the job")


def _show(progress: Progress, bar: TaskID, event: JobEvent) -> None:
    if event.kind is EventKind.PROGRESS and event.steps:
        eta = "" if event.eta_s is None else f", {event.eta_s:.1f} s left"
        rate = event.reason or f"{event.steps_per_s:.1f} it/s{eta}"
        progress.update(
            bar, description="drawing", completed=event.step, total=event.steps, rate=rate
        )
    elif event.kind is EventKind.WAITING:
        progress.update(bar, description=waiting_words(event))


def waiting_words(event: JobEvent) -> str:
    """`waiting · Position 3 · about 2 to 4 min · the model is loading`, or what of it is known."""
    parts = ("waiting", place_and_time(event), event.reason)
    return " · ".join(part for part in parts if part)


async def _events_of(redis: "Redis", job_id: UUID) -> AsyncGenerator[JobEvent | None]:
    """This job's events, and None now and then: time to look at the row, which is the truth."""
    heard: asyncio.Queue[JobEvent] = asyncio.Queue()
    listening = asyncio.create_task(_listen(redis, job_id, heard))
    try:
        while True:
            try:
                yield await asyncio.wait_for(heard.get(), LOOK_EVERY_S)
            except TimeoutError:
                yield None
    finally:
        listening.cancel()


async def _listen(redis: "Redis", job_id: UUID, heard: "asyncio.Queue[JobEvent]") -> None:
    while True:
        with suppress(RedisError, OSError):
            async with Events(redis).subscribe() as stream:
                async for event in stream:
                    if event.job_id == job_id:
                        heard.put_nowait(event)
        await asyncio.sleep(LOOK_EVERY_S)


async def _row(database: Database, job_id: UUID) -> Job:
    async with database.read() as session:
        job = await load(session, job_id)
    assert job is not None, "a job row is never deleted"
    return job
