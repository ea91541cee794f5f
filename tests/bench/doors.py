"""The API under load: how long a submission takes, and how late an event comes, with 200 open sockets; beside
the same through plain FastAPI and arq (tests.bench.plaindoor) in the same run.

Ours: `pictor api` with keys, quotas, screen, price and one durable transaction a job; each socket is told every
state from Postgres and each step from one subscription of the process. Nothing draws: this process does to
the rows, and says over Redis, what a farm would. Turns are interleaved; each starts its own server.
"""

import asyncio
import json
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from shared import accounts, apikeys, jobstore, keyrows
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job
from shared.plans import PlanBook, read_plans
from tests.bench import noop
from tests.bench.plaindoor import channel
from tests.bench.processes import environment, headline, running, served
from tests.bot.farmhand import Farmhand

SOCKETS, PEOPLE, CLIENTS = 200, 40, 8
STEPS, EVENTS_PER_S = 12, 100.0
WITHIN_S = 500.0
PEPPER = SecretStr("of this bench alone, thirty-two bytes and more")
OURS, PLAIN = "pictor", "plain FastAPI + arq"
KINDS = ("submit", "progress", "result")


@dataclass
class Turn:
    """Seconds, by what was measured. A step that a newer one overtook is not in it, and counted."""

    number: str
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    overtaken: int = 0
    busy: int = 0


@dataclass(frozen=True)
class Door:
    """What is under measure. `say` tells of a step, `finish` ends a job and returns when that is said."""

    address: str
    path: str
    body: Callable[[int], dict[str, str]]
    headers: Callable[[int], dict[str, str]]
    begin: Callable[[str], Awaitable[object]]
    say: Callable[[str, int], Awaitable[object]]
    finish: Callable[[str], Awaitable[float]]


def main(n: int = 300, turns: int = 3, seed: int = 7) -> dict[str, float]:
    print(headline(n=n, seed=seed), f"{turns} turns, {SOCKETS} sockets")
    with served() as (_, settings):
        measured = asyncio.run(_measure(settings, n=n // turns, turns=turns, seed=seed))
    return _table(measured)


def _table(measured: Mapping[str, Sequence[Turn]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    print(f"{'':<22} " + " ".join(f"{kind + ' p50':>13} {'p99':>9}" for kind in KINDS))
    for name, turns in measured.items():
        cells = []
        for kind in KINDS:
            took = sorted(one for turn in turns for one in turn.took[kind])
            for part in (50, 99):
                value = 1000 * took[min(len(took) * part // 100, len(took) - 1)]
                figures[f"{name} {kind} p{part} ms"] = value
                cells.append(value)
        lost, busy = (sum(getattr(turn, what) for turn in turns) for what in ("overtaken", "busy"))
        print(
            f"{name:<22} " + " ".join(f"{cell:9.1f} ms" for cell in cells),
            f"overtaken {lost}, 503: {busy}",
        )
    for kind in KINDS:
        pairs = zip(measured[OURS], measured[PLAIN], strict=True)
        ratio = statistics.median(_p50(one, kind) / _p50(other, kind) for one, other in pairs)
        print(f"{kind}: pictor takes {ratio:.2f} times as long (p50)")
        figures[f"{kind} ratio"] = ratio
    return figures


def _p50(turn: Turn, kind: str) -> float:
    return statistics.median(turn.took[kind])


async def _measure(settings: Settings, *, n: int, turns: int, seed: int) -> dict[str, list[Turn]]:
    random = Random(seed)
    measured: dict[str, list[Turn]] = {OURS: [], PLAIN: []}
    for number in range(turns):
        for name in random.sample(list(measured), 2):
            async with (_ours if name == OURS else _plain)(settings) as door:
                turn = await _drive(door, n, f"{seed}-{number}")
            measured[name].append(turn)
            told = ", ".join(f"{kind} {1000 * _p50(turn, kind):.1f} ms" for kind in KINDS)
            print(f"  turn {number} {name:<20} {told}", flush=True)
    return measured


async def _drive(door: Door, n: int, name: str) -> Turn:
    turn = Turn(name)
    async with (
        asyncio.timeout(WITHIN_S),
        httpx.AsyncClient(base_url=door.address, timeout=WITHIN_S) as client,
    ):
        ids = await _submitted(door, client, range(SOCKETS), Turn(name))
        async with Audience(door).listening(ids) as audience:
            await _submitted(door, client, range(SOCKETS, SOCKETS + n), turn)
            for job_id in ids:
                await door.begin(job_id)
            await audience.hears(door, ids, turn)
    return turn


async def _submitted(
    door: Door, client: httpx.AsyncClient, numbers: Sequence[int], turn: Turn
) -> list[str]:
    """By CLIENTS at once. The jobs' ids, in the order of their numbers."""
    ids: dict[int, str] = {}
    left = iter(numbers)

    async def one() -> None:
        for number in left:
            began = time.perf_counter()
            answer = await _accepted(door, client, number, turn)
            turn.took["submit"].append(time.perf_counter() - began)
            ids[number] = answer.json()["id"]

    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    return [ids[number] for number in numbers]


async def _accepted(
    door: Door, client: httpx.AsyncClient, number: int, turn: Turn
) -> httpx.Response:
    """Asked again with the same key where the server is too busy, which is counted."""
    headers = door.headers(number) | {"Idempotency-Key": f"{turn.number}-{number}"}
    while True:
        answer = await client.post(door.path, json=door.body(number), headers=headers)
        if answer.status_code != 503:
            return answer.raise_for_status()
        turn.busy += 1
        await asyncio.sleep(0.1)


class Audience:
    """All sockets, in this process: when each heard what."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._heard: dict[tuple[str, int], float] = {}
        self._over: dict[str, float] = {}
        self._ready = 0
        self._opening = asyncio.Semaphore(CLIENTS)

    @asynccontextmanager
    async def listening(self, ids: Sequence[str]) -> AsyncIterator["Audience"]:
        tasks = [asyncio.create_task(self._listen(one, number)) for number, one in enumerate(ids)]
        try:
            while self._ready < len(ids):
                await asyncio.sleep(0.02)
                for task in tasks:
                    if task.done():
                        task.result()
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, job_id: str, number: int) -> None:
        url = f"{self._door.address.replace('http', 'ws', 1)}{self._door.path}/{job_id}/events"
        headers = self._door.headers(number)
        async with AsyncExitStack() as stack:
            async with self._opening:
                client = await stack.enter_async_context(connect(url, additional_headers=headers))
                await client.recv()
            self._ready += 1
            async for message in client:
                now, told = time.perf_counter(), json.loads(message)
                if told["type"] == "progress":
                    self._heard[job_id, told["step"]] = now
                elif told["type"] == "result":
                    self._over[job_id] = now
                    return

    async def hears(self, door: Door, ids: Sequence[str], turn: Turn) -> None:
        said = {(one, step): 0.0 for step in range(1, STEPS + 1) for one in ids}
        for moment, key in zip(_paced(), said, strict=False):
            await asyncio.sleep(moment - time.perf_counter())
            said[key] = time.perf_counter()
            await door.say(*key)
        await asyncio.sleep(0.5)
        took = [self._heard[key] - at for key, at in said.items() if key in self._heard]
        turn.took["progress"] += took
        turn.overtaken = len(said) - len(took)
        ended = {one: await door.finish(one) for one in ids}
        while len(self._over) < len(ids):
            await asyncio.sleep(0.02)
        turn.took["result"] += [self._over[one] - at for one, at in ended.items()]


def _paced() -> Iterator[float]:
    """Moments, so many a second from now on."""
    began, number = time.perf_counter(), 0
    while True:
        yield began + number / EVENTS_PER_S
        number += 1


# --- pictor ----------------------------------------------------------------------------------


@asynccontextmanager
async def _ours(settings: Settings) -> AsyncIterator[Door]:
    book = read_plans(settings.plans_file)
    async with AsyncExitStack() as stack:
        database, redis = Database.connect(settings.database), connect_redis(settings.redis)
        for close in (database.close, redis.aclose):
            stack.push_async_callback(close)
        keys = [await _key(database, book, number) for number in range(PEOPLE)]
        port = _free_port()
        named = environment(
            settings,
            PICTOR_API__PORT=str(port),
            PICTOR_API__PEPPER=PEPPER.get_secret_value(),
            PICTOR_API__REQUESTS_PER_MINUTE="1000000",
            PICTOR_API__ACCOUNT_REQUESTS_PER_MINUTE="1000000",
        )
        await stack.enter_async_context(running("farm", "api", environment=named))
        address = f"http://127.0.0.1:{port}"
        await _answers(f"{address}/healthz")
        events = Events(redis)
        farm = Timed(database, events, book)

        async def say(job_id: str, step: int) -> None:
            await events.publish(JobEvent(UUID(job_id), EventKind.PROGRESS, step=step, steps=STEPS))

        async def finish(job_id: str) -> float:
            await farm.succeed(await farm.load(UUID(job_id)))
            return farm.committed_at

        yield Door(
            address=address,
            path="/v1/jobs",
            body=lambda _: {"prompt": noop.PROMPT},
            headers=lambda number: {"Authorization": f"Bearer {keys[number % PEOPLE]}"},
            begin=lambda job_id: farm.start(UUID(job_id)),
            say=say,
            finish=finish,
        )
        await _end_all(database)


class Timed(Farmhand):
    """Knows when its last change was committed, which is before it is said."""

    committed_at = 0.0

    async def _say(self, job: Job) -> None:
        self.committed_at = time.perf_counter()
        await super()._say(job)


async def _key(database: Database, book: PlanBook, number: int) -> str:
    minted = apikeys.mint(PEPPER)
    ends = datetime.now(UTC) + timedelta(days=1)
    async with database.begin() as session:
        account = await accounts.ensure(session, f"{number}", "Ada", plan="pro", book=book)
        more: dict[str, Any] = {"name": "bench", "scopes": apikeys.USUAL, "plan": "pro"}
        await keyrows.add(session, account.id, minted, expires_at=ends, **more)
    return minted.secret


async def _end_all(database: Database) -> None:
    """The next turn finds an empty line."""
    async with database.begin() as session:
        for job in await jobstore.waiting(session):
            await jobstore.cancelled(session, job.id, job.account_id)


async def _answers(url: str) -> None:
    async with asyncio.timeout(WITHIN_S), httpx.AsyncClient() as client:
        while True:
            with suppress(httpx.TransportError):
                await client.get(url)
                return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


# --- plain FastAPI and arq -------------------------------------------------------------------


@asynccontextmanager
async def _plain(settings: Settings) -> AsyncIterator[Door]:
    assert settings.redis.url
    url = settings.redis.url.get_secret_value()
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.from_url(url))
        port = _free_port()
        named = environment(settings)
        await stack.enter_async_context(
            running("tests.bench.plaindoor", str(port), environment=named)
        )
        await _answers(f"http://127.0.0.1:{port}/docs")

        async def say(job_id: str, step: int) -> None:
            told = {"type": "progress", "step": step, "progress": step / STEPS}
            await redis.publish(channel(job_id), json.dumps(told))

        async def finish(job_id: str) -> float:
            said = time.perf_counter()
            await redis.publish(channel(job_id), json.dumps({"type": "result"}))
            return said

        async def begin(_: str) -> None:
            return

        yield Door(
            address=f"http://127.0.0.1:{port}",
            path="/jobs",
            body=lambda _: {"prompt": noop.PROMPT},
            headers=lambda _: {},
            begin=begin,
            say=say,
            finish=finish,
        )
        await redis.flushall()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
