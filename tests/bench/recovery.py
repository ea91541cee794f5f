"""How long a killed process is missed: kill -9 of a worker until all its jobs run elsewhere, and of the
leading dispatcher until another leads. Default settings: a lease of 15 s, a heartbeat each 5 s.

A killed worker starts again at once under its own name, as a supervisor would do; the next one is killed
before the jobs of the last are back. Times are the database's, from its log of transitions.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from random import Random
from time import perf_counter
from uuid import UUID

from sqlalchemy import func, select, text

from shared import jobstore
from shared.admission import FrontDesk, Person, Submission
from shared.config import Settings
from shared.connections import Database
from shared.leadership import DISPATCHER_LOCK
from shared.plans import Speed
from shared.tables import jobs, transitions
from tests.bench import noop
from tests.bench.control_plane import open_desk
from tests.bench.processes import environment, headline, led, manned, served, start, stop

WORKERS, SLOTS = ("w1", "w2", "w3", "w4"), 16
JOBS = 8  # running at once, on all workers; most of the slots are free for what comes back
EVERY_S = (3.0, 7.0)  # between two kills
FOR_EVER = "100000"
LOOK_S, WITHIN_S = 0.05, 90.0


def main(n: int = 20, seed: int = 7) -> dict[str, float]:
    print(headline(n=n, seed=seed))
    with served() as (_, settings):
        workers = asyncio.run(_Kills(settings, Random(seed)).of_workers(n))
    with served() as (_, settings):
        leaders = asyncio.run(_of_leaders(settings, n))
    return _told("worker: its jobs run again", workers) | _told("leader: another leads", leaders)


def _told(name: str, times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    p50, p99 = (ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.99))
    print(
        f"{name:<28} n {len(times):3} p50 {p50:6.2f} s  p99 {p99:6.2f} s  max {ordered[-1]:6.2f} s"
    )
    return {f"{name} p50 s": p50, f"{name} p99 s": p99, f"{name} max s": ordered[-1]}


class _Kills:
    def __init__(self, settings: Settings, random: Random) -> None:
        self._settings, self._random = settings, random
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._submitted = 0

    async def of_workers(self, n: int) -> list[float]:
        """Of each job that ran on a killed worker, how long it was without one."""
        async with AsyncExitStack() as stack:
            database, desk = await open_desk(stack, self._settings)
            dispatcher = await start(
                "farm",
                "dispatch",
                environment=environment(self._settings, PICTOR_LOG_LEVEL="ERROR"),
            )
            stack.push_async_callback(stop, dispatcher)
            stack.push_async_callback(self._end)
            for name in WORKERS:
                await self._start(name)
            await led(database)
            await manned(database, WORKERS)
            killed = [asyncio.create_task(self._kill(database, desk, turn)) for turn in range(n)]
            return [time for times in await asyncio.gather(*killed) for time in times]

    async def _kill(self, database: Database, desk: FrontDesk, turn: int) -> list[float]:
        await asyncio.sleep(sum(self._random.uniform(*EVERY_S) for _ in range(turn)))
        await self._fill(database, desk)
        name = WORKERS[turn % len(WORKERS)]
        lost = await _running_on(database, name)
        self._processes[name].kill()
        at = await database.now()
        await self._processes[name].wait()
        await self._start(name)
        back = await _back(database, lost)
        for job_id in lost:
            await _give_up(database, desk, job_id)
        return [(moment - at).total_seconds() for moment in back.values()]

    async def _fill(self, database: Database, desk: FrontDesk) -> None:
        while await _count_running(database) < JOBS:
            person = Person(f"{self._submitted % 50}", "Ada", "pro")
            key, self._submitted = f"kill-{self._submitted}", self._submitted + 1
            await desk.submit(Submission(noop.PROMPT, person, None, key, speed=Speed.FAST))
            await asyncio.sleep(LOOK_S)

    async def _start(self, name: str) -> None:
        named = environment(
            self._settings,
            PICTOR_WORKER__NAME=name,
            PICTOR_WORKER__SLOTS=str(SLOTS),
            **{noop.SECONDS: FOR_EVER},
        )
        self._processes[name] = await start("tests.bench.noop", "pictor", environment=named)

    async def _end(self) -> None:
        for process in self._processes.values():
            process.kill()
            await process.wait()


async def _running_on(database: Database, worker: str) -> Mapping[UUID, int]:
    """Its jobs that never lost a worker, and their attempts."""
    query = select(jobs.c.id, jobs.c.attempt).where(
        jobs.c.worker == worker, jobs.c.state == "running", jobs.c.crashes == 0
    )
    async with database.single() as session:
        return {row.id: row.attempt for row in await session.execute(query)}


async def _count_running(database: Database) -> int:
    query = select(func.count()).where(jobs.c.state == "running", jobs.c.crashes == 0)
    async with database.single() as session:
        return int((await session.execute(query)).scalar_one())


async def _back(database: Database, lost: Mapping[UUID, int]) -> dict[UUID, datetime]:
    """When each of them ran again."""
    query = select(transitions.c.job_id, transitions.c.attempt, transitions.c.at).where(
        transitions.c.job_id.in_(lost), transitions.c.target == "running"
    )
    async with asyncio.timeout(WITHIN_S):
        while True:
            async with database.single() as session:
                rows = (await session.execute(query)).all()
            back = {row.job_id: row.at for row in rows if row.attempt > lost[row.job_id]}
            if back.keys() == lost.keys():
                return back
            await asyncio.sleep(LOOK_S)


async def _give_up(database: Database, desk: FrontDesk, job_id: UUID) -> None:
    """By its owner, like everybody; a job is killed once."""
    async with database.single() as session:
        job = await jobstore.load(session, job_id)
    assert job is not None
    person = Person(f"{int(job.submission_key.split('-')[1]) % 50}", "Ada", "pro")
    await desk.cancel(person, job_id)


async def _of_leaders(settings: Settings, n: int) -> list[float]:
    async with AsyncExitStack() as stack:
        database, _ = await open_desk(stack, settings)
        spoken = environment(settings)
        leader = await start("farm", "dispatch", environment=spoken)
        await led(database)
        times: list[float] = []
        for _ in range(n):
            follower = await start("farm", "dispatch", environment=spoken)
            await asyncio.sleep(3.0)  # it stands by, and the leader is at work
            before = await _lock_holder(database)
            leader.kill()
            began = perf_counter()
            await leader.wait()
            while await _lock_holder(database) in (before, None):
                await asyncio.sleep(LOOK_S / 5)
            times.append(perf_counter() - began)
            leader = follower
        await stop(leader)
        return times


async def _lock_holder(database: Database) -> int | None:
    """The backend that holds the dispatchers' lock."""
    query = text(
        "select pid from pg_locks where locktype = 'advisory' and granted and objid = :lock"
    )
    async with database.single() as session:
        found: int | None = await session.scalar(query, {"lock": DISPATCHER_LOCK})
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
