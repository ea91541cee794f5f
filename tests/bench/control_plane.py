"""Jobs a second through the whole control plane, with an engine that draws nothing, beside plain arq.

Ours: front desk (parse, screen, price; account, caps, hold, job, verdict in one durable transaction) ->
bell -> dispatcher process (fair order) -> bell -> worker process (claim with a lease) -> four pictures,
encoded and stored -> verdicts, assets, settle and success in one durable transaction.
Plain arq: enqueue_job -> worker process -> the same four pictures, encoded and stored by the same code.
It accepts no durable job, keeps no books, is fair to nobody, and forgets everything with its Redis.

Same Redis, same disk, as many worker processes; turns are interleaved, and each turn starts its own
processes, so that nobody's idle loops cost another anything.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from arq.connections import ArqRedis
from psutil import Process
from redis.asyncio import ConnectionPool, Redis
from sqlalchemy import func, select

from farm.embedded import EmbeddedServers
from shared import ledger
from shared.admission import FrontDesk, Person, Rulebook, Submission
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.plans import Speed, read_plans
from shared.safety.screen import open_screen
from shared.tables import jobs
from tests.bench import noop
from tests.bench.processes import cpu_seconds, environment, headline, led, manned, running, served

WORKERS, SLOTS = ("w1", "w2"), 32
PEOPLE, CLIENTS = 100, 16
FILES = noop.IMAGES + 1
LOOK_S, WITHIN_S = 0.02, 300.0
WARM_UP = PEOPLE  # so that everybody is known
# Options of arq.Worker. The tuned one has the best of PERFORMANCE's table: many at once, polled often.
PLAIN: dict[str, dict[str, Any]] = {
    "plain arq, defaults": {},
    "plain arq, tuned": {"max_jobs": 100, "poll_delay": 0.01},
}
OURS = "pictor"


@dataclass(frozen=True)
class Side:
    """What is under measure: submit one job, and whether all that were submitted are done."""

    submit: Callable[[int], Awaitable[object]]
    done: Callable[[int], Awaitable[bool]]
    parts: dict[str, list[int]]  # process ids


@dataclass(frozen=True)
class Turn:
    jobs: int
    seconds: float
    cpu_s: Mapping[str, float]  # by part: who spent it

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds

    @property
    def cpu_ms(self) -> float:
        return sum(self.cpu_s.values()) / self.jobs * 1000

    def __str__(self) -> str:
        parts = (f"{name} {1000 * spent / self.jobs:.2f}" for name, spent in self.cpu_s.items())
        return f"{self.rate:6.0f}/s, CPU ms a job: {self.cpu_ms:.2f} ({', '.join(parts)})"


def main(n: int = 2000, turns: int = 5, seed: int = 7) -> dict[str, float]:
    print(headline(n=n, seed=seed), f"{turns} turns, {len(WORKERS)} workers")
    with served() as (servers, settings):
        measured = asyncio.run(_measure(servers, settings, n=n, turns=turns, seed=seed))
    return _table(measured)


def _table(measured: Mapping[str, Sequence[Turn]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    print(f"{'':<22} {'jobs/s':>8} {'CPU ms/job':>11} {'pictor is':>10}")
    for name, turns in measured.items():
        rate = statistics.median(turn.rate for turn in turns)
        cost = statistics.median(turn.cpu_ms for turn in turns)
        pairs = zip(measured[OURS], turns, strict=True)
        ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)
        print(f"{name:<22} {rate:8.0f} {cost:11.2f} {ratio:9.2f}x")
        figures |= {f"{name} jobs/s": rate, f"{name} CPU ms": cost, f"over {name}": ratio}
    return figures


async def _measure(
    servers: EmbeddedServers, settings: Settings, *, n: int, turns: int, seed: int
) -> dict[str, list[Turn]]:
    random = Random(seed)
    measured: dict[str, list[Turn]] = {OURS: [], **{name: [] for name in PLAIN}}
    servants = {"postgres": [servers.postgres.pid], "redis": [servers.redis.pid]}
    for number in range(turns):
        for name in random.sample(list(measured), len(measured)):
            async with _side(name, settings, seed=seed + number) as side:
                await _drive(side, 0, WARM_UP, servants=servants)
                turn = await _drive(side, WARM_UP, n // turns, servants=servants)
            measured[name].append(turn)
            print(f"  turn {number} {name:<20} {turn}", flush=True)
    return measured


def _side(name: str, settings: Settings, *, seed: int) -> Any:
    return _ours(settings, seed=seed) if name == OURS else _plain(settings, PLAIN[name])


async def _drive(side: Side, first: int, count: int, *, servants: dict[str, list[int]]) -> Turn:
    """From the first submission to the last job done."""
    numbers = iter(range(first, first + count))

    async def client() -> None:
        for number in numbers:
            await side.submit(number)

    before, began = _spent(side.parts | servants), perf_counter()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        while not await side.done(first + count):
            await asyncio.sleep(LOOK_S)
    seconds, after = perf_counter() - began, _spent(side.parts | servants)
    return Turn(count, seconds, {name: after[name] - before[name] for name in after})


def _spent(parts: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Processor time so far. Ours is the submitter's; our children are among the others."""
    own = Process().cpu_times()
    return {"submit": own.user + own.system} | {
        name: cpu_seconds(pids) for name, pids in parts.items()
    }


# --- pictor ----------------------------------------------------------------------------------


@asynccontextmanager
async def _ours(settings: Settings, *, seed: int) -> AsyncIterator[Side]:
    async with AsyncExitStack() as stack:
        database, desk = await open_desk(stack, settings)
        dispatcher = await stack.enter_async_context(
            running("farm", "dispatch", environment=environment(settings))
        )
        workers = [await stack.enter_async_context(_worker(settings, name)) for name in WORKERS]
        await led(database)
        await manned(database, WORKERS)
        before = await _finished(database)
        random = Random(seed)
        speeds = [random.choice(list(Speed)) for _ in range(10_000)]

        async def submit(number: int) -> None:
            person = Person(f"{number % PEOPLE}", "Ada", "pro")
            key = f"bench-{seed}-{number}"
            speed = speeds[number % len(speeds)]
            await desk.submit(Submission(noop.PROMPT, person, route=None, key=key, speed=speed))

        async def done(count: int) -> bool:
            return await _finished(database) - before >= count

        parts = {"dispatch": [dispatcher.pid], "work": [worker.pid for worker in workers]}
        yield Side(submit, done, parts)
        await _check(database, settings.storage.folder)


async def open_desk(stack: AsyncExitStack, settings: Settings) -> tuple[Database, FrontDesk]:
    database, bell = Database.connect(settings.database), Bell(settings.redis)
    redis = connect_redis(settings.redis)
    for close in (database.close, bell.close, redis.aclose):
        stack.push_async_callback(close)
    desk = FrontDesk(
        database,
        bell,
        Events(redis),
        Rulebook(
            read_plans(settings.plans_file),
            read_catalog(settings.catalog_file),
            open_screen(settings.blocklist_file, settings.policy_file),
        ),
        draw_seed=lambda: 7,
    )
    return database, desk


def _worker(settings: Settings, name: str) -> Any:
    named = environment(settings, PICTOR_WORKER__NAME=name, PICTOR_WORKER__SLOTS=str(SLOTS))
    return running("tests.bench.noop", "pictor", environment=named)


async def _finished(database: Database) -> int:
    async with database.begin() as session:
        query = select(func.count()).where(jobs.c.finished_at.is_not(None))
        return int((await session.execute(query)).scalar_one())


async def _check(database: Database, folder: Path) -> None:
    """What was measured has really happened: every job succeeded, all files, and the books balance."""
    async with database.begin() as session:
        states = await session.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
        counts = {row[0]: row[1] for row in states}
        assert counts.keys() == {"succeeded"}, counts
        assert await ledger.audit_sums(session) == []
        for job_id in (await session.execute(select(jobs.c.id))).scalars():
            assert sum(path.is_file() for path in (folder / str(job_id)).rglob("*")) == FILES


# --- plain arq -------------------------------------------------------------------------------


@asynccontextmanager
async def _plain(settings: Settings, options: Mapping[str, Any]) -> AsyncIterator[Side]:
    assert settings.redis.url
    url = settings.redis.url.get_secret_value()
    more = {noop.OPTIONS: json.dumps(dict(options))}
    async with AsyncExitStack() as stack:
        started = [
            running("tests.bench.noop", "arq", environment=environment(settings, **more))
            for _ in WORKERS
        ]
        workers = [await stack.enter_async_context(one) for one in started]
        pool = ArqRedis(ConnectionPool.from_url(url))
        stack.push_async_callback(pool.aclose)
        redis = await stack.enter_async_context(Redis.from_url(url))

        async def submit(number: int) -> None:
            await pool.enqueue_job("draw", noop.PROMPT, _queue_name=noop.PLAIN_QUEUE)

        async def done(_: int) -> bool:
            return not await redis.zcard(noop.PLAIN_QUEUE)

        yield Side(submit, done, {"work": [worker.pid for worker in workers]})
        results = await redis.keys("arq:result:*")
        assert results
        await redis.flushall()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
