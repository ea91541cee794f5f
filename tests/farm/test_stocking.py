"""The operator's wishes at a worker: carried out once, refused with a reason, and not lost with the child."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from farm.child import Child
from farm.engine.messages import Stock, Stocked, ToParent
from farm.stocking import Stocking
from shared import wishes
from shared.config import Settings
from shared.connections import Database
from shared.storage import open_store
from shared.wishes import Wish
from tests.farm.test_closet import Wardrobe
from tests.farm.workshop import ScriptedEngine

WORKER = "worker-1"


class Floor:
    """One worker: its child with a script, its closet, and wishes in Postgres."""

    def __init__(self, database: Database, wardrobe: Wardrobe) -> None:
        self.database, self.wardrobe = database, wardrobe
        self.answer: Callable[[Stock], Any] = lambda order: [Stocked(order.id, done=True)]
        self.engines: list[ScriptedEngine] = []
        self.child = Child(self._start)
        self.stocking = Stocking(WORKER, database, self.child, wardrobe.closet)

    async def _start(self) -> ScriptedEngine:
        engine = ScriptedEngine(lambda m: self.answer(m) if isinstance(m, Stock) else [])
        self.engines.append(engine)
        return engine

    async def ready(self, engines: int = 1) -> None:
        async with asyncio.timeout(10):
            while len(self.engines) < engines or self.child.ready is None:
                await asyncio.sleep(0.01)

    async def wish(self, action: str, kind: str = "checkpoint", name: str = "postcards") -> Wish:
        told = {"kind": kind, "name": name, "action": action}
        async with self.database.begin() as session:
            (wish,) = await wishes.add(session, [WORKER], **told)
        return wish

    async def told(self, kind: str = "checkpoint", name: str = "postcards") -> list[Any]:
        async with self.database.read() as session:
            rows = await wishes.told(session, kind, name)
        return [(one.action, one.state, one.detail) for one in rows]

    @property
    def orders(self) -> list[Stock]:
        sent = [one for engine in self.engines for one in engine.sent]
        return [one for one in sent if isinstance(one, Stock)]


@pytest.fixture
async def floor(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Floor]:
    made = Floor(database, Wardrobe(database, open_store(settings.storage), tmp_path / "loras"))
    life = asyncio.create_task(made.child.run())
    await made.ready()
    yield made
    life.cancel()
    await asyncio.wait([life])


async def test_a_wish_is_carried_out_once(floor: Floor) -> None:
    wish = await floor.wish("load")
    await floor.stocking.look()
    await floor.stocking.look()
    assert floor.orders == [Stock(str(wish.id), "checkpoint", "postcards", there=True)]
    assert await floor.told() == [("load", "done", "")]


async def test_a_refusal_keeps_its_reason(floor: Floor) -> None:
    floor.answer = lambda order: [Stocked(order.id, done=False, detail="A job holds it.")]
    await floor.wish("unload")
    await floor.stocking.look()
    assert await floor.told() == [("unload", "refused", "A job holds it.")]


async def test_the_last_word_counts(floor: Floor) -> None:
    await floor.wish("load")
    last = await floor.wish("unload")
    await floor.stocking.look()
    assert [order.id for order in floor.orders] == [str(last.id)]
    told = await floor.told()
    assert ("unload", "done", "") in told
    assert ("load", "refused", "Something newer was asked for.") in told


async def test_who_dies_in_the_middle_finds_it_again(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.child.FIRST_PAUSE_S", 0.01)

    def die(_: Stock) -> list[ToParent]:
        floor.engines[0].die()
        return []

    floor.answer = die
    await floor.wish("load")
    await floor.stocking.look()
    assert await floor.told() == [("load", "open", "")]
    floor.answer = lambda order: [Stocked(order.id, done=True)]
    await floor.ready(2)
    await floor.stocking.look()
    assert await floor.told() == [("load", "done", "")]


async def test_a_child_that_says_nothing_is_not_waited_for_for_ever(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.stocking.WITHIN_S", 0.05)
    floor.answer = lambda _: []
    await floor.wish("load")
    await floor.stocking.look()
    ((_, state, detail),) = await floor.told()
    assert (state, detail) == ("refused", "The GPU process did not answer in time.")


async def test_a_lora_is_fetched_first_and_its_file_goes_last(floor: Floor) -> None:
    ink = await floor.wardrobe.bring()
    await floor.wish("load", "lora", ink.handle)
    await floor.stocking.look()
    garment = floor.orders[0].garment
    assert garment is not None
    assert Path(garment.path).exists()
    floor.answer = lambda order: [Stocked(order.id, done=False, detail="A job wears it.")]
    await floor.wish("unload", "lora", ink.handle)
    await floor.stocking.look()
    assert Path(garment.path).exists()
    floor.answer = lambda order: [Stocked(order.id, done=True)]
    await floor.wish("unload", "lora", ink.handle)
    await floor.stocking.look()
    assert not Path(garment.path).exists()


async def test_a_lora_that_is_gone_is_refused_in_words(floor: Floor) -> None:
    await floor.wish("load", "lora", "ink.nobodys")
    await floor.stocking.look()
    ((_, state, detail),) = await floor.told("lora", "ink.nobodys")
    assert state == "refused"
    assert "no longer there" in detail
    assert floor.orders == []


async def test_what_was_deleted_leaves_the_child_too(floor: Floor) -> None:
    ink = await floor.wardrobe.bring()
    await floor.wardrobe.closet.named([ink.handle])
    await floor.wardrobe.remove(ink)
    await floor.stocking.tidy()
    assert [(one.name, one.there) for one in floor.orders] == [(ink.handle, False)]
    assert floor.wardrobe.files == []


async def test_what_nobody_took_up_is_over(floor: Floor, database: Database) -> None:
    await floor.wish("load")
    async with database.begin() as session:
        await session.execute(text("update wishes set at = at - interval '11 minutes'"))
    await floor.stocking.look()
    assert floor.orders == []
    async with database.begin() as session:
        assert await wishes.expire(session) == 1
    assert await floor.told() == [("load", "refused", "No such worker took it up in time.")]
