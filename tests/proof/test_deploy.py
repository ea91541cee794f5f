"""Rolling deploys under load: nothing is counted, little is drawn twice, nobody shares a GPU."""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import psutil
import pytest
from redis.asyncio import Redis

from shared.connections import connect_redis
from shared.events import EventKind, Events
from tests.proof.farm import EXIT_WITHIN_S, Farm

NAMES, SLOTS, STEPS, STEP_MS = ("w1", "w2"), 4, 40, 10
SNAPSHOT_EVERY, LOOK_EVERY_S = 4, 0.1
ROOM = {"PICTOR_WORKER__SLOTS": str(SLOTS)}


class Lookout:
    """Ten times a second: how many GPU processes are there under each worker's name?"""

    def __init__(self) -> None:
        self.parents: list[tuple[str, int]] = []
        self.looks, self.most = 0, Counter[str]()

    async def look(self) -> None:
        while True:
            seen = Counter(name for name, pid in self.parents for _ in _children(pid))
            self.most |= seen
            self.looks += 1
            await asyncio.sleep(LOOK_EVERY_S)


class Steps:
    """How far back a picture ever went in what people were told of it."""

    def __init__(self) -> None:
        self.at: dict[UUID, int] = {}
        self.worst = 0

    async def follow(self, redis: "Redis") -> None:
        async with Events(redis).subscribe() as stream:
            async for event in stream:
                if event.kind is EventKind.PROGRESS and event.step:
                    self.worst = max(self.worst, self.at.get(event.job_id, 0) - event.step)
                    self.at[event.job_id] = event.step


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("deploys", [2, pytest.param(100, marks=pytest.mark.slow)])
async def test_rolling_deploys_cost_nobody_anything(farm: Farm, deploys: int) -> None:
    seed = random.randrange(2**32)
    dice, exits = random.Random(seed), []
    await farm.dispatcher()
    async with watched(farm) as (lookout, steps):
        for name in NAMES:
            await start(farm, lookout, name)
        await farm.up(*NAMES)
        account, ids = await farm.account(), []
        for turn in range(deploys):
            name = NAMES[turn % len(NAMES)]
            ids += await farm.submit(account, 2 * SLOTS, steps=STEPS)
            await farm.running_at(name)
            await asyncio.sleep(dice.uniform(0, 0.3))
            exits.append(await deploy(farm, lookout, name))
            await farm.up(*NAMES)
        assert set(await farm.ended(ids)) == {"succeeded"}
    (told,) = await farm.rows("select sum(crashes) as crashes, sum(attempt) as attempts from jobs")
    print(
        f"invariant 16: n = {deploys} SIGTERMs, {len(ids)} jobs, seed {seed}: crashes {told.crashes}"
    )
    print(f"  given back and drawn on {told.attempts - len(ids)}, most steps back {steps.worst}")
    print(
        f"  exits at most {max(exits):.2f} s, owners {dict(lookout.most)} in {lookout.looks} looks"
    )
    assert told.attempts > len(ids)
    assert told.crashes == 0
    assert steps.worst <= SNAPSHOT_EVERY
    assert max(exits) <= EXIT_WITHIN_S
    assert lookout.most == dict.fromkeys(NAMES, 1)
    assert farm.ended_by_itself() == {}


async def start(farm: Farm, lookout: Lookout, name: str) -> None:
    await farm.worker(name, step_ms=STEP_MS, more=ROOM)
    lookout.parents.append((name, farm.started[name].pid))


async def deploy(farm: Farm, lookout: Lookout, name: str) -> float:
    """The new one is there before the old one has gone, as an orchestrator may do it."""
    old, began = farm.started.pop(name), time.monotonic()
    await start(farm, lookout, name)
    old.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(old.wait(), EXIT_WITHIN_S + 5) == 0
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def watched(farm: Farm) -> AsyncIterator[tuple[Lookout, Steps]]:
    redis: Redis = connect_redis(farm.settings.redis)
    lookout, steps = Lookout(), Steps()
    watching = [asyncio.create_task(one) for one in (lookout.look(), steps.follow(redis))]
    try:
        yield lookout, steps
    finally:
        for one in watching:
            one.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await redis.aclose()


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).children()
        return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]
    return []
