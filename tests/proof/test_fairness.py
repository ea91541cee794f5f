"""Who starts when, with a live dispatcher: nobody's flood, and no litter in a queue, is others' wait."""

import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.bell import PICK, QUEUES, RENDER, gpu_queue, serialize
from shared.config import SHARED
from shared.connections import connect_redis
from shared.plans import Speed
from tests.proof.farm import Farm
from tests.proof.quantiles import quantile, told

FLOOD, OTHERS, ROUNDS = 1000, 20, 2
TURBO_WITHIN_S, TURBO_JOBS = 1.0, 20
STUCK, FRESH_JOBS, LATER_S = 150, 8, 1.0
SENT = """
select j.account_id from transitions t join jobs j on j.id = t.job_id
where t.target = 'dispatched' order by t.id
"""
WAITED = """
select extract(epoch from started_at - submitted_at) as seconds from jobs where id = any(:ids)
"""


async def test_a_flood_of_one_delays_nobody_for_more_than_two_rounds(farm: Farm) -> None:
    await farm.dispatcher()
    await farm.worker("w1", step_ms=1, more={"PICTOR_WORKER__SLOTS": "4"})
    await farm.up("w1")
    heavy = await farm.account()
    await farm.flood(heavy, FLOOD)
    await farm.until(lambda: sent_at_least(farm, 10))
    people = [await farm.account() for _ in range(OTHERS)]
    for person in people:
        await farm.ring(await farm.submit(person, speed=Speed.RELAX), Speed.RELAX)
    began = time.monotonic()
    await farm.until(lambda: all_are_sent(farm, people))
    took = time.monotonic() - began
    order = [row.account_id for row in await farm.rows(SENT)]
    first = next(at for at, account in enumerate(order) if account != heavy)
    places = [order.index(person) - first + 1 for person in people]
    print(f"invariant 15: n = {FLOOD} of one and {OTHERS} of one each: {took:.1f} s,")
    print(f"  the last of them is start {max(places)} of {ROUNDS * (OTHERS + 1)} allowed")
    assert max(places) <= ROUNDS * (OTHERS + 1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backlog", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_turbo_starts_at_once_beside_a_backlog(farm: Farm, backlog: int) -> None:
    """There are free slots, because one account may only run so many of the shipped plan."""
    Path(farm.environment["PICTOR_PLANS_FILE"]).write_text((SHARED / "plans.toml").read_text())
    await farm.dispatcher()
    await farm.worker("w1", step_ms=10, more={"PICTOR_WORKER__SLOTS": "6"})
    await farm.up("w1")
    await farm.flood(await farm.account(plan="free"), backlog, plan="free")
    await farm.until(lambda: sent_at_least(farm, 2))
    waits = await waits_one_by_one(farm, TURBO_JOBS, Speed.TURBO)
    print(
        f"invariant 15: n = {TURBO_JOBS} turbo beside {backlog} relaxed: {told(waits)} s to start"
    )
    assert quantile(waits, 0.95) <= TURBO_WITHIN_S


async def test_stuck_entries_of_a_queue_delay_nothing(farm: Farm) -> None:
    """arq reads the oldest entries first, and what a dead process had in hand stays there for long.
    The leader's own look at Postgres is far away here: it is the bell that wakes it."""
    farm.environment["PICTOR_FARM__SCAN_EVERY_S"] = "60"
    await farm.dispatcher()
    await farm.worker("w1", step_ms=1)
    await farm.up("w1")
    before = await waits_one_by_one(farm, FRESH_JOBS, Speed.FAST)
    for queue, function in ((QUEUES[Speed.FAST], PICK), (gpu_queue("w1"), RENDER)):
        await litter(farm, queue, function)
    waits = await waits_one_by_one(farm, FRESH_JOBS, Speed.FAST)
    print(f"invariant 15: n = {FRESH_JOBS} without stuck entries: {told(before)} s to start")
    print(f"  and beside {STUCK} in each queue: {told(waits)} s")
    assert max(waits) <= max(before) + LATER_S


async def waits_one_by_one(farm: Farm, number: int, speed: Speed) -> list[float]:
    """Each is rung for when the one before has ended, so that there is always a free slot."""
    person = await farm.account()
    ids: list[UUID] = []
    for _ in range(number):
        one = await farm.submit(person, speed=speed, steps=2)
        await farm.ring(one, speed)
        await farm.ended(one)
        ids += one
    return [float(row.seconds) for row in await farm.rows(WAITED, ids=ids)]


async def litter(farm: Farm, queue: str, function: str) -> None:
    """In progress for ever, as far as Redis knows."""
    redis = connect_redis(farm.settings.redis)
    long_ago = int(time.time() * 1000) - 3_600_000
    for _ in range(STUCK):
        id = f"{function}:{uuid4()}:1"
        body: dict[str, Any] = {
            "t": None,
            "f": function,
            "a": [str(uuid4()), 1],
            "k": {},
            "et": long_ago,
        }
        await redis.set(f"arq:job:{id}", serialize(body), ex=300)
        await redis.set(f"arq:in-progress:{id}", b"1", ex=300)
        await redis.zadd(queue, {id: long_ago})
    await redis.aclose()


async def sent_at_least(farm: Farm, number: int) -> bool:
    return len(await farm.rows(SENT)) >= number


async def all_are_sent(farm: Farm, people: list[UUID]) -> bool:
    return set(people) <= {row.account_id for row in await farm.rows(SENT)}
