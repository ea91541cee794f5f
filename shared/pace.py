"""How fast all processes of one bot together talk to Discord, and when they had better be silent.

One bucket in Redis is shared by every process that holds the token. Without Redis each keeps to a share of
its own. Discord allows 50 requests a second, and bans an address for 10,000 refused ones (401, 403, 429) in
ten minutes: long before that only ends and answers to people go out.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# In any second at most what is full and what flows in: 45.
FULL, FLOW = 10.0, 35.0
ALONE_FLOW = 15.0  # of each process while Redis is away: three of them stay below 50
WINDOW_S = 600.0
MOST_REFUSED = 500
ASK_REDIS_AGAIN_S = 5.0
BUCKET, REFUSED = "pictor:discord:pace", "pictor:discord:refused"


class Urgency(IntEnum):
    ACK = 0  # somebody waits for a word
    FINAL = 1  # how a job ended
    OTHER = 2
    PROGRESS = 3


# What must be left in the bucket for the more urgent.
FLOORS: Mapping[Urgency, float] = {
    Urgency.ACK: 0.0,
    Urgency.FINAL: 1.0,
    Urgency.OTHER: 3.0,
    Urgency.PROGRESS: 5.0,
}

_TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local full, flow, floor = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(kept[1]) or full, tonumber(kept[2]) or now
left = math.min(full, left + math.max(0, now - at) * flow)
local wait = 0
if left - 1 >= floor then left = left - 1 else wait = (floor + 1 - left) / flow end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 60)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[4]))
return {tostring(wait), redis.call('ZCARD', KEYS[2])}
"""
_NOTE = """
local now = redis.call('TIME')
local id = now[1] .. '.' .. string.format('%06d', now[2])
redis.call('ZADD', KEYS[1], now[1] + now[2] / 1000000, id .. ARGV[1])
redis.call('EXPIRE', KEYS[1], 700)
return 0
"""


class Halted(Exception):
    """Too many requests were refused lately: only ends and answers to people go out."""


@dataclass(slots=True)
class Bucket:
    flow: float = ALONE_FLOW
    left: float = FULL
    at: float | None = None

    def take(self, now: float, floor: float) -> float:
        """0.0 and one less is left; or the seconds after which to ask again."""
        since = 0.0 if self.at is None else max(0.0, now - self.at)
        self.left, self.at = min(FULL, self.left + since * self.flow), now
        if self.left - 1 >= floor:
            self.left -= 1
            return 0.0
        return (floor + 1 - self.left) / self.flow


@dataclass(slots=True)
class Refusals:
    """Moments of refused requests, the oldest first."""

    moments: deque[float] = field(default_factory=deque)

    def note(self, now: float) -> None:
        self.moments.append(now)

    def lately(self, now: float) -> int:
        while self.moments and self.moments[0] <= now - WINDOW_S:
            self.moments.popleft()
        return len(self.moments)


class Pace:
    def __init__(
        self, redis: Redis | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis, self._clock = redis, clock
        self._bucket, self._refusals = Bucket(), Refusals()
        self._away_until = 0.0
        self._shared_refusals = 0
        self._noted = 0

    async def take(self, urgency: Urgency) -> None:
        """Returns when the request may go. Halted while the breaker is open for such as it."""
        self.check(urgency)
        while (wait := await self._ask(FLOORS[urgency])) > 0:
            await asyncio.sleep(wait)
            self.check(urgency)

    def check(self, urgency: Urgency) -> None:
        if urgency > Urgency.FINAL and self.refused_lately() >= MOST_REFUSED:
            raise Halted(f"{self.refused_lately()} requests were refused in ten minutes")

    def refused_lately(self) -> int:
        return max(self._shared_refusals, self._refusals.lately(self._clock()))

    async def note_refused(self) -> None:
        """After a 401, a 403, or a 429 that was ours."""
        self._refusals.note(self._clock())
        self._noted += 1
        if (redis := self._shared()) is None:
            return
        try:
            await _run(redis, _NOTE, REFUSED, values=(f":{id(self)}:{self._noted}",))
        except (RedisError, OSError, TimeoutError) as error:
            self._without(error)

    async def _ask(self, floor: float) -> float:
        if (redis := self._shared()) is not None:
            try:
                values = (FULL, FLOW, floor, WINDOW_S)
                wait, refused = await _run(redis, _TAKE, BUCKET, REFUSED, values=values)
            except (RedisError, OSError, TimeoutError) as error:
                self._without(error)
            else:
                self._shared_refusals = int(refused)
                return float(wait)
        return self._bucket.take(self._clock(), floor)

    def _shared(self) -> Redis | None:
        return self._redis if self._clock() >= self._away_until else None

    def _without(self, error: Exception) -> None:
        log.warning("the pace is kept without Redis for a while: %s", type(error).__name__)
        self._away_until = self._clock() + ASK_REDIS_AGAIN_S
        self._shared_refusals = 0


async def _run(redis: Redis, script: str, *keys: str, values: Sequence[float | str]) -> Any:
    # The library's types say that it may not be awaited, or not be given numbers.
    answer: Any = redis.eval(script, len(keys), *keys, *map(str, values))
    return await answer
