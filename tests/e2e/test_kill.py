"""Processes that die at a random step, and pictures that do not show it: every pixel is the same.

Real Postgres, Redis, dispatcher, workers and the trained model; only Discord is not needed here.
"""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from shared import assets, workers
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.storage import LocalStore
from tests.farm.workshop import Workshop

STEPS, IMAGES, SNAPSHOT_EVERY, LEASE_S = 60, 2, 6, 2.0
UP_WITHIN_S, DRAWN_WITHIN_S, EXIT_WITHIN_S = 90.0, 90.0, 25.0


@dataclass
class Farm:
    """The processes of one farm, and what they are told by their environment."""

    settings: Settings
    folder: Path
    database: Database
    workshop: Workshop
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        with log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "farm", *command),
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def work(self, name: str) -> None:
        await self.start(name, "work", "--name", name)
        async with asyncio.timeout(UP_WITHIN_S):
            while not await self.is_up(name):
                self._check_alive(name)
                await asyncio.sleep(0.1)

    async def is_up(self, name: str) -> bool:
        async with self.database.read() as session:
            live = await workers.live_workers(session, 5)
        return any(worker.name == name and not worker.draining for worker in live)

    async def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        async with asyncio.timeout(EXIT_WITHIN_S):
            await process.wait()

    def child_of(self, name: str) -> psutil.Process:
        (child,) = psutil.Process(self.processes[name].pid).children()
        return child

    async def submit(self, seed: int) -> Job:
        return await self.workshop.waiting(steps=STEPS, images=IMAGES, seed=seed)

    async def ended(self, job: Job) -> Job:
        late = asyncio.get_running_loop().time() + DRAWN_WITHIN_S
        while not (row := await self.workshop.row(job.id)).state.terminal:
            assert asyncio.get_running_loop().time() < late, (row, self.logs())
            for name in self.processes:
                self._check_alive(name)
            await asyncio.sleep(0.05)
        assert row.state is JobState.SUCCEEDED, (row.error_code, self.logs())
        return row

    async def pixels(self, job: Job) -> list[str]:
        """SHA-256 of each picture's native pixels, from the files themselves."""
        from farm.pictures import native_of

        store = LocalStore(self.settings.storage.folder, "")
        async with self.database.read() as session:
            tiles = [row for row in await assets.assets(session, job.id) if row.kind == "image"]
        found = [native_of(await store.get(tile.key), job.spec).rgb for tile in tiles]
        return [hashlib.sha256(rgb).hexdigest() for rgb in found]

    def logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))

    def _check_alive(self, name: str) -> None:
        assert self.processes[name].returncode is None, self.logs()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
        settings = self.settings
        assert settings.database.url is not None
        assert settings.redis.url is not None
        return kept | {
            "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
            "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
            "PICTOR_STORAGE__FOLDER": str(settings.storage.folder),
            "PICTOR_WORKER__SNAPSHOTS": str(settings.worker.snapshots),
            "PICTOR_WORKER__SNAPSHOT_EVERY": str(SNAPSHOT_EVERY),
            "PICTOR_WORKER__LEASE_S": str(LEASE_S),
            "PICTOR_WORKER__HEARTBEAT_S": "0.4",
            "PICTOR_WORKER__THREADS": "1",
            "PICTOR_WORKER__PREVIEW_EVERY": "0",
            "PICTOR_PROVENANCE__ENABLED": "false",  # the pixels are compared with an unkilled run's
            "PICTOR_FARM__WORKER_SILENT_S": str(LEASE_S),
        }


@pytest.fixture
async def farm(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    farm = Farm(settings, tmp_path, database, await Workshop.open(database))
    await farm.start("dispatcher", "dispatch")
    try:
        yield farm
    finally:
        for name in list(farm.processes):
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                await farm.kill(name, signal.SIGTERM)
    assert await farm.workshop.books_balance()


@contextlib.asynccontextmanager
async def watching(settings: Settings, job: Job) -> AsyncIterator[AsyncIterator[JobEvent]]:
    """The progress of this job, as everybody sees it."""
    redis = connect_redis(settings.redis)
    async with Events(redis).subscribe() as stream:

        async def progress() -> AsyncIterator[JobEvent]:
            async for event in stream:
                if event.job_id == job.id and event.kind is EventKind.PROGRESS and event.step:
                    yield event

        yield progress()
    await redis.aclose()


async def reaches(events: AsyncIterator[JobEvent], step: int) -> int:
    async with asyncio.timeout(DRAWN_WITHIN_S):
        async for event in events:
            if event.step >= step:
                return event.step
    raise AssertionError("the job ended first")


def random_step() -> int:
    """Not so late that the job could end before the blow lands."""
    step = random.randint(1, STEPS // 2)
    print(f"struck at step {step}")
    return step


@pytest.mark.timeout(400)
async def test_pictures_do_not_show_who_died(farm: Farm) -> None:
    """One farm serves all the blows, because starting it is the dear part."""
    await farm.work("one")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    expected = await farm.pixels(await farm.ended(await farm.submit(seed)))
    assert len(set(expected)) == IMAGES
    await the_gpu_process_is_killed(farm, seed, expected)
    await the_worker_is_killed(farm, seed, expected)
    await a_deploy_happens(farm, seed, expected)


async def the_gpu_process_is_killed(farm: Farm, seed: int, expected: list[str]) -> None:
    """Its parent lives on, starts another, and the job resumes there."""
    job = await farm.submit(seed)
    async with watching(farm.settings, job) as events:
        struck = await reaches(events, random_step())
        farm.child_of("one").kill()
        await resumes(events, struck)
    ended = await farm.ended(job)
    assert (ended.attempt, ended.crashes) == (2, 1)
    assert await farm.pixels(ended) == expected


async def the_worker_is_killed(farm: Farm, seed: int, expected: list[str]) -> None:
    """Its child dies with it; another worker takes over when the lease is gone."""
    job = await farm.submit(seed)
    async with watching(farm.settings, job) as events:
        struck = await reaches(events, random_step())
        child = farm.child_of("one")
        await farm.kill("one")
        await gone(child)
        await farm.work("two")
        await resumes(events, struck)
    ended = await farm.ended(job)
    assert (ended.attempt, ended.crashes, ended.worker) == (2, 1, "two")
    assert await farm.pixels(ended) == expected


async def a_deploy_happens(farm: Farm, seed: int, expected: list[str]) -> None:
    """SIGTERM: saved at this very step, given back without a crash, gone within 25 s."""
    job = await farm.submit(seed)
    async with watching(farm.settings, job) as events:
        await reaches(events, random_step())
        child = farm.child_of("two")
        await farm.kill("two", signal.SIGTERM)
        row = await farm.workshop.row(job.id)
        assert (row.state, row.crashes, row.worker) == (JobState.WAITING, 0, None)
        await gone(child)
        assert not await farm.is_up("two")
    await farm.work("three")
    ended = await farm.ended(job)
    assert (ended.attempt, ended.crashes) == (2, 0)
    assert await farm.pixels(ended) == expected


async def resumes(events: AsyncIterator[JobEvent], struck: int) -> None:
    """The first step seen after the blow is at most one snapshot back. Events told before it may
    still be on their way, so it is the first that goes backwards, or goes on."""
    at = await reaches(events, 1)
    assert at > struck - 2 * SNAPSHOT_EVERY, f"struck at {struck}, went on at {at}"


async def gone(process: psutil.Process) -> None:
    async with asyncio.timeout(5):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.02)
