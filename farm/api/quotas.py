"""How often one may ask: counted in Redis for all processes, and in this one's memory while Redis is away."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from time import monotonic, time
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.config import ApiSettings

PREFIX = "pictor:quota"
WINDOW_S = 60
WITHIN_S = 0.5  # a Redis that takes longer is away
AWAY_S = 5.0  # then it is left alone for so long


@dataclass(frozen=True, slots=True)
class Left:
    """Of one quota, after this request. `reset_s`: when there is more of it."""

    name: str
    limit: int
    remaining: int
    reset_s: int
    passed: bool


class Quotas:
    def __init__(self, redis: "Redis", settings: ApiSettings) -> None:
        self._limits: dict[str, RateLimitItem] = {
            "key": RateLimitItemPerMinute(settings.requests_per_minute),
            "account": RateLimitItemPerMinute(settings.account_requests_per_minute),
            "address": RateLimitItemPerMinute(settings.address_requests_per_minute),
        }
        options: dict[str, Any] = {"connection_pool": redis.connection_pool}
        storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=PREFIX, **options
        )
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._memory = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._away_until = 0.0

    async def spend(self, **who: str) -> list[Left]:
        """One request of each quota: `key`, `account`, `address`."""
        if monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(WITHIN_S):
                    return await self._spent(self._shared, who)
            except (RedisError, OSError, TimeoutError):
                self._away_until = monotonic() + AWAY_S
        return await self._spent(self._memory, who)

    async def _spent(
        self, limiter: SlidingWindowCounterRateLimiter, who: dict[str, str]
    ) -> list[Left]:
        return await asyncio.gather(*(self._one(limiter, name, of) for name, of in who.items()))

    async def _one(self, limiter: SlidingWindowCounterRateLimiter, name: str, of: str) -> Left:
        limit = self._limits[name]
        passed = await limiter.hit(limit, name, of)
        stats = await limiter.get_window_stats(limit, name, of)
        reset_s = max(1, math.ceil(stats.reset_time - time()))
        return Left(name, limit.amount, stats.remaining if passed else 0, reset_s, passed)


def address_of(host: str | None) -> str:
    """One house's: of IPv6 the network, for its owner has 2**64 of them."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or "unknown"
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def fields(left: Sequence[Left]) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers has them."""
    policy = ", ".join(f'"{one.name}";q={one.limit};w={WINDOW_S}' for one in left)
    rest = ", ".join(f'"{one.name}";r={one.remaining};t={one.reset_s}' for one in left)
    told = {"RateLimit-Policy": policy, "RateLimit": rest}
    spent = [one.reset_s for one in left if not one.passed]
    return told | ({"Retry-After": str(max(spent))} if spent else {})


class QuotaFields:
    """Middleware: every answer to somebody who was counted tells how much is left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.setdefault("state", {})

        async def tell(message: Message) -> None:
            if message["type"].endswith("http.response.start") and "quotas" in state:
                MutableHeaders(scope=message).update(fields(state["quotas"]))
            await send(message)

        await self._app(scope, receive, tell)
