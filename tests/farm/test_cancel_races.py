"""A cancel and a success at the same moment: exactly one wins, and the money goes its way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from farm import endings
from farm.child import OwnershipLost
from farm.delivery import Parcel
from farm.endings import Bench, Drawn
from farm.packing import Packed
from shared.admission import FrontDesk, Rulebook
from shared.assets import assets
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.connections import Database, connect_redis
from shared.errors import Refusal
from shared.events import Events
from shared.jobs import Job, JobState
from shared.orders import Person
from shared.safety.screen import open_screen
from shared.storage import LocalStore
from tests.farm.workshop import BOOK, PACKER, Workshop, finding, picture

RACES, AT_ONCE, SEED = 200, 4, 7
GPU_MS = 25
OWNER = Person(discord_id="4711", name="Ada", plan="paid")
STRANGER = Person(discord_id="4712", name="Bob", plan="paid")


class Course:
    """Both sides of the race, as in production: a worker's bench and the front desk."""

    def __init__(self, workshop: Workshop, bench: Bench, desk: FrontDesk) -> None:
        self.workshop, self.bench, self.desk = workshop, bench, desk
        self.random = Random(SEED)

    async def race(self) -> tuple[Job, bool, bool]:
        """The job's row, whether the worker believes that it succeeded, and the person in the cancel."""
        job = await self.workshop.claimed(images=1)
        done, cancelled = await asyncio.gather(self._succeed(job), self._cancel(job))
        return await self.workshop.row(job.id), done, cancelled

    async def _succeed(self, job: Job) -> bool:
        drawn = picture(0, width=8, height=8)
        parcels = [
            Parcel(kind, 0, f"{job.id}/1/{kind}.png", b"x", 8, 8, "image/png")
            for kind in ("grid", "image")
        ]
        await asyncio.sleep(self.random.uniform(0, 0.01))
        try:
            await endings.succeeded(
                self.bench,
                job,
                Drawn([drawn], [finding(drawn)], GPU_MS, {}),
                Packed(parcels, []),
            )
        except OwnershipLost:
            return False
        return True

    async def _cancel(self, job: Job) -> bool:
        await asyncio.sleep(self.random.uniform(0, 0.02))
        try:
            await self.desk.cancel(OWNER, job.id)
        except Refusal:
            return False
        return True


@pytest.fixture
async def course(database: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[Course]:
    workshop = await Workshop.open(database)
    redis, bell = connect_redis(settings.redis), Bell(settings.redis)
    store = LocalStore(tmp_path / "assets", "http://images.example")
    bench = Bench(
        database=database,
        store=store,
        events=Events(redis),
        book=BOOK,
        settings=settings.worker,
        packer=PACKER,
    )
    screen = open_screen(SHARED / "safety" / "blocklist.toml", SHARED / "safety" / "policy.toml")
    catalog = read_catalog(SHARED / "catalog.toml")
    desk = FrontDesk(
        database, bell, Events(redis), Rulebook(BOOK, catalog, screen), draw_seed=lambda: 7
    )
    yield Course(workshop, bench, desk)
    await bell.close()
    await redis.aclose()


async def test_of_cancel_and_success_exactly_one_wins(course: Course) -> None:
    before = await course.workshop.balance()
    won = 0
    for _ in range(RACES // AT_ONCE):
        for row, done, cancelled in await asyncio.gather(*(course.race() for _ in range(AT_ONCE))):
            assert done is not cancelled
            assert row.state is (JobState.SUCCEEDED if done else JobState.CANCELLED)
            assert row.charged_ms == (GPU_MS if done else 0)
            async with course.workshop.database.read() as session:
                assert len(await assets(session, row.id)) == (2 if done else 0)
            won += done
    assert 0 < won < RACES, f"seed {SEED}: {won} of {RACES} succeeded, so there was no race"
    after = await course.workshop.balance()
    assert (after.held_ms, before.available_ms - after.available_ms) == (0, won * GPU_MS)
    assert await course.workshop.books_balance()


async def test_a_running_job_is_not_a_strangers_to_cancel(course: Course) -> None:
    job = await course.workshop.claimed(images=1)
    with pytest.raises(Refusal):
        await course.desk.cancel(STRANGER, job.id)
    assert (await course.workshop.row(job.id)).state is JobState.RUNNING
