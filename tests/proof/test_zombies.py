"""Workers that live on after they were given up: they commit nothing, tell nothing and leave nothing."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.connections import connect_redis
from shared.events import Events
from tests.chaos.points import NO_HEARTBEAT
from tests.proof.farm import Farm
from tests.proof.launch import BLOCKED_LOOP
from tests.proof.line import Line, socket_line

ZOMBIE, HEIR = "w1", "w2"
AT_ONCE, STEPS, STEP_MS = 6, 60, 10
POSTGRES = ".s.PGSQL.5432"
# Attempts of one worker that the rescuer took from it, though its process was alive.
GIVEN_UP = """
select job_id, attempt from transitions
where source = 'running' and target = 'waiting' and worker = :name
"""
# Whatever one of them still did to a row.
DEEDS = f"""
with given_up as ({GIVEN_UP})
select m.job_id, m.target from transitions m join given_up z using (job_id, attempt)
where m.id > (select max(id) from transitions r
              where (r.job_id, r.attempt) = (z.job_id, z.attempt) and r.target = 'waiting')
union all
select v.job_id, 'verdict' from verdicts v join given_up z using (job_id, attempt)
union all
select a.job_id, 'asset' from assets a join given_up z using (job_id)
where a.key like format('%s/%s/%%', z.job_id, z.attempt)
"""
Way = Callable[[Farm, Line, float], Awaitable[None]]


async def heartbeat_blocked(farm: Farm, _: Line, seconds: float) -> None:
    farm.points(ZOMBIE).cast(NO_HEARTBEAT, seconds=seconds)
    await asyncio.sleep(seconds)


async def stopped(farm: Farm, _: Line, seconds: float) -> None:
    farm.send(ZOMBIE, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    farm.send(ZOMBIE, signal.SIGCONT)


async def event_loop_blocked(farm: Farm, _: Line, seconds: float) -> None:
    farm.points(ZOMBIE).cast(BLOCKED_LOOP, seconds=seconds)
    await asyncio.sleep(seconds)


async def database_cut(_: Farm, line: Line, seconds: float) -> None:
    line.cut()
    await asyncio.sleep(seconds)
    line.mend()


async def database_frozen(_: Farm, line: Line, seconds: float) -> None:
    """What was sent arrives all the same, when it is too late."""
    line.freeze()
    await asyncio.sleep(seconds)
    line.mend()


# The first ones leave the least to chance: a zombie that draws on, one that wakes up, one cut off.
WAYS: tuple[Way, ...] = (
    heartbeat_blocked,
    stopped,
    database_cut,
    event_loop_blocked,
    database_frozen,
)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("zombies", "ways"), [(3, WAYS[:3]), pytest.param(200, WAYS, marks=pytest.mark.slow)]
)
async def test_zombies_commit_nothing_and_leave_nothing(
    farm: Farm, tmp_path: Path, zombies: int, ways: Sequence[Way]
) -> None:
    seed = random.randrange(2**32)
    dice, found = random.Random(seed), 0
    async with a_haunted_farm(farm, tmp_path) as line, ends_told(farm) as told:
        account, jobs, turn = await farm.account(), [], 0
        while found < zombies or turn < len(ways):
            way, turn = ways[turn % len(ways)], turn + 1
            jobs += (more := await farm.submit(account, 2 * AT_ONCE, steps=STEPS))
            await farm.running_at(ZOMBIE, AT_ONCE // 2)
            await asyncio.sleep(dice.uniform(0, 0.8))
            await way(farm, line, farm.lease_s * dice.uniform(1.3, 1.8))
            assert set(await farm.ended(more)) == {"succeeded"}
            await farm.up(ZOMBIE, HEIR)
            found = len(await farm.rows(GIVEN_UP, name=ZOMBIE))
        assert await farm.rows(DEEDS, name=ZOMBIE) == []
        await farm.only_named_files()
        assert farm.ended_by_itself() == {}
        assert {job: told.count(job) for job in map(str, jobs)} == dict.fromkeys(map(str, jobs), 1)
    n = f"{found} zombies of {len(jobs)} jobs in {turn} rounds"
    print(f"invariant 4: n = {n}, seed {seed}: deeds 0, files left 0")


@contextlib.asynccontextmanager
async def a_haunted_farm(farm: Farm, folder: Path) -> AsyncIterator[Line]:
    """Two workers; the line of the first one to Postgres may be cut."""
    assert farm.settings.database.url is not None
    url = farm.settings.database.url.get_secret_value()
    server, place = Path(url.rpartition("host=")[2]), Path("/tmp") / f"pictor-line-{folder.name}"
    async with socket_line(server / POSTGRES, place / POSTGRES) as line:
        await farm.dispatcher()
        slots = {"PICTOR_WORKER__SLOTS": str(AT_ONCE)}
        mine = {"PICTOR_DATABASE__URL": url.replace(str(server), str(place))}
        await farm.worker(ZOMBIE, step_ms=STEP_MS, more=slots | mine)
        await farm.worker(HEIR, step_ms=STEP_MS, more=slots)
        await farm.up(ZOMBIE, HEIR)
        yield line


@contextlib.asynccontextmanager
async def ends_told(farm: Farm) -> AsyncIterator[list[str]]:
    """The jobs of which anybody said that they succeeded: the courier looks at the row then."""
    redis: Redis = connect_redis(farm.settings.redis)
    told: list[str] = []

    async def listen() -> None:
        async with Events(redis).subscribe() as stream:
            async for event in stream:
                told.extend([str(event.job_id)] * (event.state == "succeeded"))

    listening = asyncio.create_task(listen())
    try:
        yield told
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await redis.aclose()
