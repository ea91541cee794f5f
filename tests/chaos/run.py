"""One run: a town is opened, asked for jobs and struck, until all is quiet; then the evidence is kept."""

import asyncio
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.chaos.effort import Effort
from tests.chaos.evidence import Evidence, read_lines, read_rows
from tests.chaos.faults import Hand
from tests.chaos.plan import DISPATCHERS, WORKERS, Blow, blows
from tests.chaos.servers import DATABASE, Servers
from tests.chaos.town import Town
from tests.chaos.visitors import discord, keep_messages, visit
from tests.chaos.watch import Watch
from tests.chaos.wishes import wishes

QUIET_S = 60.0  # after the last fault: what has not ended by then is stuck
STILL_S, SWEPT_S = 90.0, 20.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Order:
    jobs: int
    faults: int
    seed: int
    visitors: int


@dataclass
class Outcome:
    """`struck` of the planned blows were carried out; `seconds` from the first wish to quiet; `effort`
    in processor seconds."""

    order: Order
    evidence: Evidence
    planned: list[Blow]
    struck: int
    seconds: float
    effort: Counter[str]


async def run(order: Order, folder: Path) -> Outcome:
    town = Town(folder, Servers(folder))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(town.close)
        await town.open()
        for name in DISPATCHERS:
            town.launch("dispatcher", name)
        for name in WORKERS:
            town.launch("worker", name)
        local = await stack.enter_async_context(discord(town)) if order.visitors else None
        watch = Watch(folder / "postgres", DATABASE, folder / "witness.jsonl")
        watching = asyncio.create_task(watch.run())
        stack.callback(watching.cancel)
        effort = Effort()
        sampling = asyncio.create_task(_sample(effort, town))
        stack.callback(sampling.cancel)
        began = time.monotonic()
        storm = _Storm(order, town, watch)
        asking = [_ask(order, town)]
        if local is not None:
            asking.append(visit(local, order.visitors, order.seed, share=storm.share))
        await _unless_still(asyncio.gather(storm.blow(), *asking), watch)
        await _quiet(watch)
        seconds = time.monotonic() - began
        await _swept(folder, watch)
        if local is not None:
            await keep_messages(local, folder / "messages.json")
        evidence = await _collect(order, folder, watch)
    return Outcome(order, evidence, storm.planned, storm.struck, seconds, effort.by_name())


async def _sample(effort: Effort, town: Town) -> None:
    while True:
        servers = {"postgres": town.servers.postgres_pid, "redis": town.servers.redis_pid}
        parts = {name: part.pid for name, part in town.parts.items()}
        await effort.sample(parts | servers)


class _Storm:
    def __init__(self, order: Order, town: Town, watch: Watch) -> None:
        self.planned = blows(order.faults, order.seed, bot=order.visitors > 0)
        self.struck = 0
        self._town, self._watch = town, watch
        self._wanted = order.jobs + order.visitors
        self._hand = Hand(town, town.folder / "blows.jsonl")

    def share(self) -> float:
        return self._watch.ended / self._wanted

    async def blow(self) -> None:
        """Each when so many jobs have ended that its time has come; long ones overlap."""
        under_way = []
        for blow in self.planned:
            while self.share() < blow.at:
                await asyncio.sleep(LOOK_S)
            under_way.append(asyncio.create_task(self._strike(blow)))
        await asyncio.gather(*under_way)

    async def _strike(self, blow: Blow) -> None:
        if await self._hand.strike(blow, leader=self._town.leader()):
            self.struck += 1


async def _ask(order: Order, town: Town) -> None:
    told = ("--jobs", str(order.jobs), "--seed", str(order.seed))
    log = ("--log", str(town.folder / "client.jsonl"))
    client = town.start("client", "tests.chaos.client", *told, *log, once=True)
    assert client.keeper is not None
    await client.keeper


async def _unless_still(work: "asyncio.Future[Any]", watch: Watch) -> None:
    """A farm in which nothing ends any more is judged as it is."""
    ended, since = watch.ended, time.monotonic()
    while not work.done() and time.monotonic() - since < STILL_S:
        await asyncio.wait([work], timeout=LOOK_S)
        if watch.ended != ended:
            ended, since = watch.ended, time.monotonic()
    if work.done():
        work.result()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def _quiet(watch: Watch) -> None:
    """Until every job has ended and every answer has arrived, or for too long."""
    late = time.monotonic() + QUIET_S
    while time.monotonic() < late and (watch.ended < watch.jobs or watch.open):
        await asyncio.sleep(LOOK_S)
    await asyncio.sleep(1.0)  # whoever changes a finished row has a last chance to be seen


async def _collect(order: Order, folder: Path, watch: Watch) -> Evidence:
    connection: asyncpg.Connection = await watch.connect()
    tables = await read_rows(connection)
    await connection.close()
    messages = folder / "messages.json"
    return Evidence(
        tables=tables,
        assets=folder / "assets",
        wished=[asdict(wish) for wish in wishes(order.jobs, order.seed)],
        client=read_lines(folder / "client.jsonl"),
        blows=read_lines(folder / "blows.jsonl"),
        deaths=read_lines(folder / "orders" / "deaths.jsonl"),
        witness=read_lines(folder / "witness.jsonl"),
        messages=json.loads(messages.read_text()) if messages.exists() else [],
        swept=True,
    )


async def _swept(folder: Path, watch: Watch) -> None:
    """Until the farm's own sweeper has left no more files than rows name, or for too long."""
    late = time.monotonic() + SWEPT_S
    while time.monotonic() < late and _files(folder / "assets") > watch.assets:
        await asyncio.sleep(0.5)


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
