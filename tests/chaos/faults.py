"""The hand that strikes: carries out the blows of a plan on the processes of a town."""

import asyncio
import json
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.plan import DISPATCHERS, Blow
from tests.chaos.points import CUT_COMMIT, CUT_REDIS, FROZEN_LINE, NO_HEARTBEAT, STORAGE_ERRORS
from tests.chaos.town import LEASE_S, Town

PASSES, BOT_PASSES = 6, 2  # at most, until an ordered place strikes
WAIT_S = 30.0  # for somebody to come by there, or for a process to be up again
FROZEN_S = 4.5  # a frozen leader: Postgres itself puts it out after 3 s
EXIT_S = 25.0
LOOK_S = 0.02
Result = dict[str, Any]


class Hand:
    """`log` tells what was done to whom and when, for the judge."""

    def __init__(self, town: Town, log: Path) -> None:
        self._town = town
        self._log = log.open("a")
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._acts: dict[str, Callable[[Blow], Awaitable[Result]]] = {
            "kill": self._kill,
            "kill_child": self._kill_child,
            "kill_dispatcher": self._kill,
            "kill_bot": self._kill,
            "freeze": lambda blow: self._freeze(blow, LEASE_S + 0.5 + blow.size),
            "freeze_dispatcher": lambda blow: self._freeze(blow, FROZEN_S),
            "no_heartbeat": lambda blow: self._cast(blow, NO_HEARTBEAT, LEASE_S + 1.5),
            "frozen_line": lambda blow: self._cast(blow, FROZEN_LINE, LEASE_S + 1.0),
            "storage_errors": lambda blow: self._cast(blow, STORAGE_ERRORS, 2.0 + 2 * blow.size),
            "cut_commit": lambda blow: self._strike(blow, CUT_COMMIT),
            "cut_redis": lambda blow: self._strike(blow, CUT_REDIS),
            "redis_flush": self._flush_redis,
            "redis_kill": self._kill_redis,
            "postgres_kill": self._kill_postgres,
            "deploy": self._deploy,
            "deploy_dispatcher": self._deploy,
            "deploy_bot": self._deploy,
        }

    async def strike(self, blow: Blow, *, leader: str) -> bool:
        """Whether it was carried out. Blows at one target take turns."""
        target = leader if blow.target == "leader" else blow.target
        async with self._locks[target]:
            began = time.time()
            named = Blow(blow.number, blow.kind, target, blow.at, blow.size)
            result = await self._act(named)
        told = asdict(named) | {"share": blow.at, "at": began, "until": time.time()} | result
        self._log.write(json.dumps(told) + "\n")
        self._log.flush()
        return bool(result["done"])

    async def _act(self, blow: Blow) -> Result:
        if blow.kind in self._acts:
            return await self._acts[blow.kind](blow)
        return await self._strike(blow, blow.kind.rpartition("at ")[2])

    async def _kill(self, blow: Blow) -> Result:
        return {"done": self._town.parts[blow.target].send(signal.SIGKILL)}

    async def _kill_child(self, blow: Blow) -> Result:
        part = self._town.parts[blow.target]
        if not await _soon(lambda: part.child() is not None):
            return {"done": False}
        if (child := part.child()) is not None:
            child.kill()
        return {"done": child is not None}

    async def _freeze(self, blow: Blow, seconds: float) -> Result:
        part = self._town.parts[blow.target]
        done = part.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        return {"done": part.send(signal.SIGCONT) and done}

    async def _cast(self, blow: Blow, spell: str, seconds: float) -> Result:
        self._town.points(blow.target).cast(spell, seconds=seconds)
        await asyncio.sleep(seconds)
        return {"done": True}

    async def _strike(self, blow: Blow, place: str) -> Result:
        """Which dispatcher leads may change meanwhile, so both are told; one strike is enough."""
        names = DISPATCHERS if blow.target in DISPATCHERS and "cut" not in place else [blow.target]
        points = [self._town.points(name) for name in names]
        passes = BOT_PASSES if blow.target == "bot" else PASSES
        for one in points:
            one.strike(place, at=1 + int(blow.size * passes))
        parts = [self._town.parts[name] for name in names]
        await _soon(
            lambda: any(one.struck(place) for one in points) or all(part.over for part in parts)
        )
        done = any(one.struck(place) for one in points)
        for one in points:
            one.forgive(place)
        return {"done": done}

    async def _flush_redis(self, _: Blow) -> Result:
        await self._town.servers.flush_redis()
        return {"done": True}

    async def _kill_redis(self, blow: Blow) -> Result:
        await self._town.servers.kill_redis(away_s=blow.size)
        return {"done": True}

    async def _kill_postgres(self, blow: Blow) -> Result:
        await self._town.servers.kill_postgres(away_s=blow.size)
        return {"done": True}

    async def _deploy(self, blow: Blow) -> Result:
        """SIGTERM, as a rolling update sends it; the next life starts when this one has left."""
        part = self._town.parts[blow.target]
        up = await _soon(lambda: part.child() is not None) if blow.kind == "deploy" else True
        leaving = part.process
        if not up or leaving is None or not part.send(signal.SIGTERM):
            return {"done": False, "code": -9}
        try:
            async with asyncio.timeout(EXIT_S + 2):
                return {"done": True, "code": await leaving.wait()}
        except TimeoutError:
            part.send(signal.SIGKILL)
            return {"done": True, "code": None}


async def _soon(true: Callable[[], bool]) -> bool:
    late = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < late:
        await asyncio.sleep(LOOK_S)
    return true()
