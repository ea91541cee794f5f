"""What a turbo job waits on an engine full of relax, and what giving way costs.

- `loop`: in this process. From the message to the first forward with the job in it, in forwards that end
  meanwhile: 0 is the very next one. `ready` counts from when its texts are encoded and its noise drawn,
  which happens beside the loop.
- `child`: a real child over its pipe, seen from outside: how often an undisturbed relax job steps between
  the Render that goes in and the step before the Stepped that comes out. The step under way is one.
- `throughput`: rows and steps a second of the same jobs arriving at the same forwards, turbo first against
  in order of arrival, by turns. By the loop's CPU time, since neighbours take no part of that.
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from random import Random

import torch

from farm.engine.client import EngineClient, EngineOptions
from farm.engine.memory.pool import Pool
from farm.engine.messages import Drop, Ready, Render, Rendered, Stepped
from shared.catalog import read_catalog
from shared.config import ROOT, SHARED
from shared.spec import RenderSpec
from tests.farm.engine.desk import PROMPTS, Desk, recipe

SEED = 23
WAITS = 200
ROUNDS = 9
ROWS = 8
LONG = 1000  # steps: a relax job that outlasts many turbo jobs
RENEW = 900  # after so many of them there are new relax jobs
# Every step is told, not ten a second.
TALKATIVE = "from farm.engine import engine; engine.TELL_EVERY_S = 0.0"


def main(waits: int = WAITS, rounds: int = ROUNDS) -> dict[str, float]:
    torch.set_num_threads(1)
    print(
        f"postcards, {ROWS} rows, 1 thread, n {waits}, seed {SEED}, load {os.getloadavg()[0]:.1f}"
    )
    pool = Pool(read_catalog(SHARED / "catalog.toml"), device="cpu")
    pool.get("postcards")
    waited, ready = _in_the_loop(pool, waits)
    figures = {**_told("loop", waited), **_told("loop ready", ready)}
    figures |= _told("child", asyncio.run(_through_the_pipe(waits)))
    return figures | _throughput(pool, rounds)


def _told(name: str, waits: Sequence[int]) -> dict[str, float]:
    ordered = sorted(waits)
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    times = ", ".join(f"{steps}: {times}" for steps, times in sorted(Counter(waits).items()))
    print(f"{name:>12}: steps waited p50 {p50}, p99 {p99}, most {ordered[-1]}   ({times})")
    return {f"{name} p50": p50, f"{name} p99": p99}


def _turbo(number: int, **changes: object) -> RenderSpec:
    return recipe(f"{PROMPTS[number % 4]} {number}", seed=number, images=1, steps=2, **changes)


# --- in the loop ---------------------------------------------------------------------------------


@contextmanager
def _desk(pool: Pool) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as folder:
        yield Desk(pool, Path(folder), rows=ROWS)


def _in_the_loop(pool: Pool, waits: int) -> tuple[list[int], list[int]]:
    """Twice as many relax rows as fit; one turbo job at a time, at a random step."""
    dice, waited, ready = Random(SEED), list[int](), list[int]()
    with _desk(pool) as desk:
        for number in range(waits):
            if number % 50 == 0:
                _fill(desk, number)
            desk.steps(dice.randrange(1, 4))
            found = _wait_of(desk, Render(f"turbo-{number}", 1, _turbo(number).as_dict(), rank=0))
            waited.append(found[0])
            ready.append(found[1])
            desk.engine.drop(f"turbo-{number}", forget=True)
    return waited, ready


def _fill(desk: Desk, number: int) -> None:
    for job_id in list(desk.engine.running):
        desk.engine.drop(job_id, forget=True)
    for place in range(4):
        spec = recipe(seed=place, images=2, steps=LONG, sampler="euler")
        desk.admit(spec, f"relaxed-{number}-{place}", rank=2)


def _wait_of(desk: Desk, render: Render) -> tuple[int, int]:
    engine, joined = desk.engine, -1
    engine.admit(render)
    for step in count():
        engine.step()
        job = engine.running.get(render.job_id)
        if job is not None and joined < 0:
            joined = step
        if job is not None and job.done:
            return step, step - joined
    raise AssertionError


# --- through the pipe ----------------------------------------------------------------------------


async def _through_the_pipe(waits: int) -> list[int]:
    dice = Random(SEED)
    async with _child() as client:
        parent = Parent(client)
        listening = asyncio.create_task(parent.listen())
        await asyncio.wait_for(parent.ready.wait(), 120)
        found = [await parent.wait_of(number, dice) for number in range(waits)]
        listening.cancel()
    return found


class Parent:
    """Sends, listens, and counts the steps of the relax job that came first."""

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self.ready = asyncio.Event()
        self.lead = ""
        self.steps = 0
        self.started: dict[str, int] = {}  # steps of the lead when a job's first was told
        self.news = asyncio.Condition()

    async def listen(self) -> None:
        async for message in self.client.messages():
            async with self.news:
                self._hear(message)
                self.news.notify_all()

    def _hear(self, message: object) -> None:
        match message:
            case Ready():
                self.ready.set()
            case Stepped(job_id=job_id, step=step):
                self.started.setdefault(job_id, self.steps)
                if job_id == self.lead:
                    self.steps = step
            case Rendered(job_id=job_id):
                self.started.pop(job_id, None)

    async def until(self, job_id: str, *, steps: int = 0) -> None:
        async with self.news:
            await self.news.wait_for(lambda: job_id in self.started and self.steps >= steps)

    async def wait_of(self, number: int, dice: Random) -> int:
        if not self.lead or self.steps > RENEW:
            await self._fill(number)
        await self.until(self.lead, steps=self.steps + dice.randrange(1, 4))
        await asyncio.sleep(dice.random() * 0.05)
        name, before = f"turbo-{number}", self.steps
        await self._say(name, _turbo(number), rank=0)
        await self.until(name)
        # The lead is told first of those in a forward, so its last step was in the turbo job's own.
        waited = self.started[name] - before - 1
        await self.client.send(Drop(name))
        return max(0, waited)

    async def _fill(self, number: int) -> None:
        names = [f"relaxed-{number}-{place}" for place in range(4)]
        for old in [name for name in self.started if name.startswith("relaxed")]:
            await self.client.send(Drop(old))
        self.lead, self.steps = names[0], 0
        for place, name in enumerate(names):
            spec = recipe(seed=place, images=2, steps=LONG, sampler="euler")
            await self._say(name, spec, rank=2)
            if name == self.lead:
                await self.until(name)
        await self.until(names[0], steps=10)

    async def _say(self, name: str, spec: RenderSpec, *, rank: int) -> None:
        await self.client.send(Render(name, 1, spec.as_dict(), rank=rank, snapshot_every=0))


@asynccontextmanager
async def _child() -> AsyncIterator[EngineClient]:
    """As a worker starts it, but for one line before it begins."""
    with tempfile.TemporaryDirectory() as folder:
        options = EngineOptions(Path(folder), SHARED / "catalog.toml", rows=ROWS, threads=1)
        ours, theirs = socket.socketpair()
        begin = f"import sys; from farm.engine import process; {TALKATIVE}"
        code = f"{begin}; process.end(process.main(sys.argv[1:]))"
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code, "--fd", str(theirs.fileno()), *options.arguments()),
                pass_fds=(theirs.fileno(),),
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        client = EngineClient(process, *await asyncio.open_connection(sock=ours))
        try:
            yield client
        finally:
            client.kill()
            await client.close()


# --- throughput ----------------------------------------------------------------------------------

Arrival = tuple[int, str, RenderSpec, int]  # at which forward, name, spec, rank


def _arrivals(seed: int) -> list[Arrival]:
    """Relax enough for all the time, and a turbo job about every tenth forward."""
    dice, jobs = Random(seed), list[Arrival]()
    for number in range(14):
        spec = recipe(seed=number, images=2, steps=20, sampler="euler")
        jobs.append((0, f"relaxed-{number}", spec, 2))
    at = 0
    for number in range(12):
        at += dice.randrange(6, 14)
        spec = recipe(PROMPTS[1], seed=number, images=2, steps=4, sampler="dpm++2m")
        jobs.append((at, f"turbo-{number}", spec, 0))
    return jobs


def _throughput(pool: Pool, rounds: int) -> dict[str, float]:
    ratios, walls, cohorts = list[float](), list[float](), list[float]()
    for turn in range(rounds):
        jobs, order = _arrivals(SEED + turn), [True, False]
        Random(turn).shuffle(order)
        runs = {first: _run(pool, jobs, turbo_first=first) for first in order}
        (rows, cpu, wall, forwards), (rows_too, cpu_too, wall_too, forwards_too) = (
            runs[True],
            runs[False],
        )
        assert rows == rows_too
        ratios.append(cpu_too / cpu)
        walls.append(wall_too / wall)
        cohorts.append(forwards / forwards_too)
    lost = 1 - statistics.median(ratios)
    quarters = statistics.quantiles(ratios, n=4)
    print(
        f"  throughput: {lost:+.2%} lost by giving way (quarters of the ratio {quarters[0]:.3f} to"
        f" {quarters[2]:.3f}, n {rounds}); by the clock {1 - statistics.median(walls):+.2%};"
        f" forwards {statistics.median(cohorts):.3f} times as many"
    )
    return {"lost": lost, "lost by the clock": 1 - statistics.median(walls)}


def _run(
    pool: Pool, jobs: Sequence[Arrival], *, turbo_first: bool
) -> tuple[int, float, float, int]:
    """Rows and steps in all, the loop's CPU seconds and wall seconds for them, and forwards."""
    with _desk(pool) as desk:
        vars(desk.engine.finishing)["begin"] = lambda job: None  # decoding is not what is measured
        waiting, counts = list(jobs), desk.engine.counts
        cpu = wall = 0.0
        while waiting or desk.engine.running:
            while waiting and waiting[0][0] <= counts["forwards"]:
                _, name, spec, rank = waiting.pop(0)
                desk.admit(spec, name, rank=rank if turbo_first else 1)
            began, clock = time.thread_time(), time.perf_counter()
            desk.engine.step()
            cpu += time.thread_time() - began
            wall += time.perf_counter() - clock
        return counts["rows"], cpu, wall, counts["forwards"]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
