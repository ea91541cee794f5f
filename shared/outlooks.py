"""The board of outlooks: what the leading dispatcher foresees for each waiting job, in Redis.

Losing it loses a line of text. A dispatcher that is gone says nothing: its last words expire.
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from itertools import islice
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.events import EventKind, JobEvent
from shared.waits import Outlook

BOARD = "pictor:outlooks"
LIFE_S = 10  # a leader tells once a second, and of a huge queue more rarely
MOST = 2_000  # of the next ones; who stands further back is told so by the events alone
WITHIN_S = 1.0
_AT = "at"  # a field that is always there, so that "nobody waits" is not "nobody tells"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Outlook).decode


class Outlooks:
    """Best effort and bounded in time: a Redis that is away stops neither the leader nor a reader."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def publish(self, outlooks: Iterable[Outlook]) -> None:
        """The whole board anew, the next job first: who is not on it any more waits no more."""
        board: dict[str | bytes, bytes | float | int | str] = {_AT: time.time()}
        board |= {one.job_id.hex: _encode(one) for one in islice(outlooks, MOST)}
        try:
            async with asyncio.timeout(WITHIN_S), self._redis.pipeline(True) as pipeline:
                pipeline.delete(BOARD)
                pipeline.hset(BOARD, mapping=board)
                pipeline.expire(BOARD, LIFE_S)
                await pipeline.execute()
        except (RedisError, OSError):
            return

    async def read(self, job_ids: Collection[UUID]) -> dict[UUID, Outlook] | None:
        """Of these jobs, as far as they are on the board; None when nobody tells: no dispatcher
        leads, or Redis is away."""
        names = [_AT, *(job_id.hex for job_id in job_ids)]
        try:
            async with asyncio.timeout(WITHIN_S):
                at, *told = await self._redis.hmget(BOARD, names)  # type: ignore[misc]
        except (RedisError, OSError):
            return None
        if at is None:
            return None
        read = [_read(one) for one in told if one is not None]
        return {one.job_id: one for one in read if one is not None}

    async def forget(self) -> None:
        """By a leader that leaves: nobody need wait for its words to expire."""
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._redis.delete(BOARD)
        except (RedisError, OSError):
            return


def waiting_event(outlook: Outlook) -> JobEvent:
    """The same words for those who listen."""
    return JobEvent(
        outlook.job_id,
        EventKind.WAITING,
        state="waiting",
        position=outlook.position,
        start_s=outlook.start_s,
        eta_s=outlook.eta_s,
        eta_low_s=outlook.eta_low_s,
        eta_high_s=outlook.eta_high_s,
        reason=outlook.reason,
    )


def _read(data: bytes) -> Outlook | None:
    try:
        return _decode(data)
    except msgspec.DecodeError:
        return None
