"""A worker and the LoRAs that people brought: jobs get their files, wishes are carried out, all by itself."""

import asyncio
from pathlib import Path

import pytest

from farm.engine.client import EngineClient
from farm.engine.messages import Render, Stock, Stocked, ToChild, ToParent
from shared import wishes
from shared.config import Settings
from shared.connections import Database
from shared.ingredients import LoraUse
from shared.jobs import JobState
from shared.storage import open_store
from tests.farm.test_closet import FILE, Wardrobe
from tests.farm.test_worker import ends, working
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
        await ends(shop, job, JobState.SUCCEEDED)
        (garment,) = (await engine.born[0].heard(Render)).garments
        assert (garment.name, garment.sha256) == (ink.handle, ink.sha256)
        assert Path(garment.path).read_bytes() == FILE
        spent = await shop.balance()
        lost = await ends(shop, await shop.dispatched(loras=(LoraUse("x.gone"),)), JobState.FAILED)
        assert lost.error_code == "adapter_gone"
        assert (await shop.balance()).available_ms == spent.available_ms < before.available_ms
        assert await shop.books_balance()


async def test_a_wish_reaches_the_engine(
    settings: Settings, database: Database, engine: Engine
) -> None:
    told = {"kind": "checkpoint", "name": "postcards", "action": "load", "actor": "test"}
    async with database.begin() as session:
        await wishes.add(session, [WORKER], **told)
    async with working(settings):
        assert (await engine.born[0].heard(Stock)).there
        async with asyncio.timeout(10):
            while await _open(database):
                await asyncio.sleep(0.02)


async def _open(database: Database) -> bool:
    async with database.read() as session:
        rows = await wishes.told(session, "checkpoint", "postcards")
    return any(one.state == wishes.OPEN for one in rows)
