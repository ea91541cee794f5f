"""A worker and the LoRAs that people brought: jobs get their files, wishes are carried out, all by itself."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from farm.engine.client import EngineClient
from farm.engine.messages import Render, Stock, Stocked, ToChild, ToParent
from farm.worker import run_worker
from shared import assets, wishes
from shared.config import Settings
from shared.connections import Database
from shared.ingredients import LoraUse
from shared.jobs import Job, JobState
from shared.storage import open_store
from tests.farm.api.loraroom import sepia
from tests.farm.test_closet import FILE, Wardrobe
from tests.farm.test_worker import ends, with_worker, working
from tests.farm.workshop import WORKER, ScriptedEngine, Workshop, rendered


class Engine:
    """The child that the worker started."""

    def __init__(self) -> None:
        self.born: list[ScriptedEngine] = []

    async def start(self, options: object) -> ScriptedEngine:
        self.born.append(ScriptedEngine(self._answer))
        return self.born[-1]

    def _answer(self, message: ToChild) -> list[ToParent]:
        match message:
            case Render():
                return [rendered(message)]
            case Stock():
                return [Stocked(message.id, done=True)]
        return []


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine()
    monkeypatch.setattr(EngineClient, "start", made.start)
    monkeypatch.setattr("farm.worker.configure_logging", lambda _: None)
    return made


async def test_a_job_gets_the_file_and_one_without_it_fails_for_nothing(
    settings: Settings, database: Database, engine: Engine
) -> None:
    shop = await Workshop.open(database)
    wardrobe = Wardrobe(database, open_store(settings.storage), settings.worker.loras)
    ink = await wardrobe.bring()
    before = await shop.balance()
    async with working(settings):
        job = await shop.dispatched(loras=(LoraUse(ink.handle, 0.5),))
        await ends(shop, job, JobState.SUCCEEDED, within_s=60)
        (garment,) = (await engine.born[0].heard(Render)).garments
        assert (garment.name, garment.sha256) == (ink.handle, ink.sha256)
        assert Path(garment.path).read_bytes() == FILE
        spent = await shop.balance()
        gone = await shop.dispatched(loras=(LoraUse("x.gone"),))
        lost = await ends(shop, gone, JobState.FAILED, within_s=60)
        assert lost.error_code == "adapter_gone"
        assert (await shop.balance()).available_ms == spent.available_ms < before.available_ms
        assert await shop.books_balance()


async def test_a_wish_reaches_the_engine(
    settings: Settings, database: Database, engine: Engine
) -> None:
    told = {"kind": "checkpoint", "name": "postcards", "action": "load"}
    async with database.begin() as session:
        await wishes.add(session, [WORKER], **told)
    async with working(settings):
        assert (await engine.born[0].heard(Stock)).there
        async with asyncio.timeout(60):
            while await _open(database):
                await asyncio.sleep(0.02)


async def _open(database: Database) -> bool:
    async with database.read() as session:
        rows = await wishes.told(session, "checkpoint", "postcards")
    return any(one.state == wishes.OPEN for one in rows)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[None]:
    """A worker with its real child, which takes a while to come."""
    task = asyncio.create_task(run_worker(settings))
    try:
        yield
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait([task], timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_from_the_file_to_the_picture(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped LoRA, brought by a person, draws what it draws from the catalog: with the real engine."""
    monkeypatch.setattr("farm.worker.configure_logging", lambda _: None)
    settings = with_worker(settings, threads=1)
    shop = await Workshop.open(database)
    wardrobe = Wardrobe(database, open_store(settings.storage), settings.worker.loras)
    ink = await wardrobe.bring(data=sepia())
    async with running(settings):
        worn = [(LoraUse(name, 0.9),) for name in ("sepia", ink.handle)]
        jobs = [await shop.dispatched(loras=one, images=1) for one in [*worn, ()]]
        for job in jobs:
            await ends(shop, job, JobState.SUCCEEDED, within_s=240)
    own, brought, plain = [await _pixels(database, wardrobe, job) for job in jobs]
    assert brought == own != plain
    recipe = json.loads(await _file(database, wardrobe, jobs[1], "recipe"))
    assert recipe["weights"][ink.handle]


async def _pixels(database: Database, wardrobe: Wardrobe, job: Job) -> bytes:
    return Image.open(BytesIO(await _file(database, wardrobe, job, "image"))).tobytes()


async def _file(database: Database, wardrobe: Wardrobe, job: Job, kind: str) -> bytes:
    async with database.read() as session:
        files = await assets.of_jobs(session, [job.id])
    return await wardrobe.store.get(next(one.key for one in files if one.kind == kind))
