"""Hundreds of deliveries into a store with bad days: what a row names is there, and nothing else is."""

import asyncio
import hashlib
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from farm import render
from farm.child import Child
from farm.endings import Bench
from farm.engine.messages import Render, ToChild, ToParent
from farm.maintenance import Maintenance
from farm.tenure import Tenure
from shared import jobstore, ledger
from shared.config import FarmSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import Events
from shared.jobs import Job
from shared.storage import open_store
from tests.farm.rows import the_catalog
from tests.farm.sickstore import sick_store
from tests.farm.workshop import BOOK, PACKER, ScriptedEngine, Workshop, rendered
from tests.shared.books import wrongs

AT_ONCE, CANCELLED = 8, 0.15
SWEEPS = 30


def drawing(message: ToChild) -> list[ToParent]:
    return [rendered(message)] if isinstance(message, Render) else []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", [30, pytest.param(400, marks=pytest.mark.slow)])
async def test_rows_and_files_agree(
    settings: Settings, database: Database, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    monkeypatch.setattr(render, "FIRST_PAUSE_S", 0.01)
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    with sick_store(random.Random(seed)) as (sick, storage):
        settings = settings.model_copy(update={"storage": storage})
        async with a_bench(settings, database) as (bench, tenure):
            await deliver(await Workshop.open(database), tenure, number, dice=dice)
        await sweep(settings, database, bench=bench)
        files, rows = sick.files(), await assets(database)
        ends = Counter(await states(database))
        print(f"invariant 9: n = {number} deliveries, seed {seed}: {dict(ends)}, {sick.fates}")
        print(f"  {len(rows)} files named, missing 0, wrong 0, unnamed 0")
    assert set(ends) <= {"succeeded", "cancelled"}
    assert set(files) == set(rows)
    assert {key: hashlib.sha256(data).hexdigest() for key, data in files.items()} == rows
    async with database.read() as session:
        assert await wrongs(session) == []


@asynccontextmanager
async def a_bench(settings: Settings, database: Database) -> AsyncIterator[tuple[Bench, Tenure]]:
    """A worker's inside, with an engine that draws at once."""
    redis = connect_redis(settings.redis)
    store, events = open_store(settings.storage), Events(redis)
    bench = Bench(
        database, store=store, events=events, book=BOOK, settings=settings.worker, packer=PACKER
    )

    async def start() -> ScriptedEngine:
        return ScriptedEngine(drawing)

    child = Child(start)
    running = asyncio.create_task(child.run())
    while child.ready is None:
        await asyncio.sleep(0.01)
    yield bench, Tenure(bench, child)
    running.cancel()
    await asyncio.wait([running])
    await redis.aclose()


async def deliver(workshop: Workshop, tenure: Tenure, number: int, *, dice: random.Random) -> None:
    """A few at once; some are cancelled while they are on their way into the store."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            job = await workshop.dispatched(scale=1)
            await tenure.take({job.id: job.attempt})
            if dice.random() < CANCELLED:
                await asyncio.sleep(dice.uniform(0, 0.2))
                await cancel(workshop.database, job)
                await tenure.beat()
            while not (await workshop.row(job.id)).state.terminal:
                await asyncio.sleep(0.02)

    await asyncio.gather(*(one() for _ in range(number)))
    while tenure._running:  # those that were cancelled are still taking back what they stored
        await asyncio.sleep(0.02)


async def cancel(database: Database, job: Job) -> None:
    async with database.begin() as session:
        cancelled = await jobstore.cancelled(session, job.id, job.account_id)
        if cancelled is not None:
            await ledger.release(session, cancelled)


async def sweep(settings: Settings, database: Database, *, bench: Bench) -> None:
    """Until nothing is left for it, however often the store breaks it off."""
    redis = connect_redis(settings.redis)
    maintenance = Maintenance(
        database,
        Events(redis),
        store=bench.store,
        catalog=the_catalog(),
        farm=FarmSettings(purge_grace_s=0),
    )
    await asyncio.sleep(1.1)  # S3 tells ages in whole seconds
    done = 0
    for _ in range(SWEEPS):
        try:
            done = done + 1 if await maintenance.purge_assets() == 0 else 0
        except Fault:
            continue
        if done == 2:
            break
    await redis.aclose()


async def assets(database: Database) -> dict[str, str]:
    async with database.read() as session:
        rows = await session.execute(text("select key, sha256 from assets"))
    return {row.key: row.sha256 for row in rows}


async def states(database: Database) -> list[str]:
    async with database.read() as session:
        return list((await session.execute(text("select state from jobs"))).scalars())
