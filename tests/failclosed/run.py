"""Jobs that each meet one trouble on one path, at a real worker's parent over a real Postgres and store."""

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from farm import child as child_module
from farm import pictures
from farm.child import Child
from farm.endings import Bench
from farm.fuse import Fuse
from farm.maintenance import Maintenance
from farm.packing import Packer
from farm.recipes import Weights
from farm.render import Walk
from farm.safety.watchlist import Watchlist
from shared.assets import assets
from shared.catalog import read_catalog
from shared.config import SHARED, FarmSettings, Settings
from shared.connections import Database
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from shared.spec import RenderKind, Source
from shared.storage import LocalStore
from tests.failclosed.engine import Engine, spec_changes
from tests.failclosed.prompts import refused
from tests.failclosed.provenance import Unable
from tests.failclosed.troubles import (
    LIST,
    SCREEN,
    SOUND,
    UNMARKED,
    UNSIGNED,
    Filters,
)
from tests.farm.workshop import BOOK, PACKER, Workshop, picture

PATHS = ("imagine", "variation", "upscale", "upload")
AT_ONCE = 4
ENDED = (JobState.SUCCEEDED, JobState.BLOCKED, JobState.FAILED)


@dataclass
class Tally:
    """`delivered` are files, rows and previews of any kind; `refunded` jobs of which nothing is held."""

    jobs: int = 0
    delivered: int = 0
    refunded: int = 0
    held_ms: int = 0
    strikes: int = 0
    cases: int = 0
    audited: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    by_trouble: Counter[str] = field(default_factory=Counter)
    breaker_opened: bool = False


@dataclass
class Eyes:
    """Whoever looks from outside: what was published, and what lies in the store."""

    previews: int = 0

    async def publish(self, *events: JobEvent) -> None:
        self.previews += sum(event.kind is EventKind.PREVIEW for event in events)


class CountingStore(LocalStore):
    """What was put and taken back has been delivered all the same."""

    puts = 0

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        await super().put(key, data, mime=mime)
        self.puts += not key.startswith("uploads/")


class Proving:
    """`troubles` each on every path, one job after another."""

    def __init__(self, workshop: Workshop, bench: Bench, folder: Path) -> None:
        self.workshop, self.bench = workshop, bench
        self._tile: Source | None = None
        self._rescuer = Maintenance(
            bench.database,
            bench.events,
            store=bench.store,
            catalog=read_catalog(SHARED / "catalog.toml"),
            farm=FarmSettings(),
        )
        self._trouble: dict[str, str] = {}
        self._filters = Filters(folder)
        self.child = Child(self._start)

    async def _start(self) -> Engine:
        return Engine(self._filters, lambda job_id: self._trouble.get(job_id, SOUND))

    async def deliver_one(self) -> None:
        """A tile that is sound, for variations and upscales to start from."""
        job = await self.run(SOUND, "imagine")
        async with self.workshop.database.read() as session:
            tile = (await assets(session, job.id))[1]
        self._tile = Source(tile.key, tile.sha256)

    async def run(self, trouble: str, path: str) -> Job:
        job = await self._waiting(path)
        self._trouble[str(job.id)] = trouble
        while job.state not in ENDED:
            job = await self._attempt(job.id, self._benched(trouble))
        return job

    def _benched(self, trouble: str) -> Bench:
        if trouble == LIST:
            return replace(self.bench, watch=unreadable())
        if trouble in (UNMARKED, UNSIGNED):
            return replace(self.bench, packer=_packer(trouble))
        return self.bench

    async def _attempt(self, job_id: UUID, bench: Bench) -> Job:
        """As a worker does it; a crash is found and counted by the rescuer."""
        while self.child.ready is None:
            await asyncio.sleep(0.005)
        job = await self.workshop.claim(job_id)
        talk = self.child.open(str(job.id), job.attempt)
        async with asyncio.timeout(150):
            await Walk(job, talk, bench, leaving=lambda: False).run()
        while (row := await self.workshop.row(job.id)).state is JobState.RUNNING:
            await asyncio.sleep(0.005)  # until the lease that a crash cut short is over
            await self._rescuer.rescue_lost()
        return row

    async def _waiting(self, path: str) -> Job:
        small = spec_changes()
        if path == "imagine":
            return await self.workshop.waiting(**small)
        source = self._tile if path != "upload" else await self._upload()
        assert source is not None
        if path == "upscale":
            return await self.workshop.waiting(
                **small | {"images": 1, "steps": 0}, sources=(source,)
            )
        kind = RenderKind.IMAGE if path == "variation" else RenderKind.BLEND
        return await self.workshop.waiting(**small, kind=kind, sources=(source,), strength=0.5)

    async def _upload(self) -> Source:
        data = pictures.png(
            pictures.image_of(picture(9, width=16, height=16)), parameters="", job_id=""
        )
        digest = hashlib.sha256(data).hexdigest()
        key = f"uploads/{digest}.png"
        with contextlib.suppress(Fault):  # it is there already
            await self.bench.store.put(key, data, mime="image/png")
        return Source(key, digest)


async def prove(settings: Settings, folder: Path, *, jobs: int, troubles: Sequence[str]) -> Tally:
    """Every trouble on every path in turn, until there were `jobs`."""
    database = Database.connect(settings.database)
    eyes, store = Eyes(), CountingStore(folder / "assets", "http://images.example")
    bench = Bench(
        database=database,
        store=store,
        events=eyes,  # type: ignore[arg-type]
        book=BOOK,
        settings=settings.worker,
        packer=PACKER,
        fuse=Fuse("failclosed"),
    )
    proving = Proving(await Workshop.open(database), bench, folder)
    child_module.FIRST_PAUSE_S = child_module.LONGEST_PAUSE_S = 0.01  # it is killed on purpose
    living = asyncio.create_task(proving.child.run())
    await proving.deliver_one()
    tally = Tally(delivered=-await _delivered(database, store, eyes))
    plan = [
        (troubles[at % len(troubles)], PATHS[at // len(troubles) % len(PATHS)])
        for at in range(jobs)
    ]
    try:
        await _in_lanes(plan, lambda trouble, path: _one(proving, settings, tally, trouble, path))
        tally.breaker_opened = bench.fuse.open
        await _audit(database, tally, store, eyes)
    finally:
        living.cancel()
        await asyncio.wait([living])
        await database.close()
    return tally


async def _one(proving: Proving, settings: Settings, tally: Tally, trouble: str, path: str) -> None:
    tally.jobs += 1
    tally.by_trouble[trouble] += 1
    if trouble == SCREEN:
        await refused(settings)
        tally.ended["never accepted"] += 1
    else:
        tally.ended[(await proving.run(trouble, path)).state.value] += 1


async def _in_lanes(
    plan: list[tuple[str, str]], work: Callable[[str, str], Awaitable[None]]
) -> None:
    async def lane(number: int) -> None:
        for trouble, path in plan[number::AT_ONCE]:
            await work(trouble, path)

    await asyncio.gather(*(lane(number) for number in range(AT_ONCE)))


async def _audit(database: Database, tally: Tally, store: CountingStore, eyes: Eyes) -> None:
    """From the rows, the store and the events: nobody is asked what he has done."""
    async with database.read() as session:
        counted = (await session.execute(text(COUNTED))).one()
    tally.delivered += await _delivered(database, store, eyes)
    tally.held_ms, tally.strikes, tally.cases = counted.held, counted.strikes, counted.cases
    tally.audited = counted.audited
    tally.refunded = counted.refunded + tally.ended["never accepted"]


async def _delivered(database: Database, store: CountingStore, eyes: Eyes) -> int:
    async with database.read() as session:
        rows = (await session.execute(text("select count(*) from assets"))).scalar_one()
    return int(rows) + store.puts + eyes.previews


def unreadable() -> Watchlist:
    watch = Watchlist(Path("/nonexistent/list.csv"))
    try:
        watch.open()
    except Fault:
        return watch
    raise AssertionError("this list cannot be read")


def _packer(trouble: str) -> Packer:
    return Packer(Unable(trouble), Weights(read_catalog(SHARED / "catalog.toml")))


COUNTED = """
select (select count(*) from strikes) as strikes,
    (select count(*) from audit where action = 'filter_failed') as audited,
    (select count(*) from cases) as cases,
    (select coalesce(sum(case when credit like 'held:%' then amount_ms when debit like 'held:%'
        then -amount_ms else 0 end), 0) from ledger) as held,
    (select count(*) from jobs where state in ('blocked', 'failed') and coalesce(charged_ms, 0) = 0
        and exists (select from ledger where job_id = jobs.id and kind = 'release')) as refunded
"""
