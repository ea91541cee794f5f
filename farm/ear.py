"""An arq worker that hears everything that rings in its queue at once, without a lock for each ring.

arq's own poll takes a ring in five round trips, with a key in Redis that says it is in progress; a dead
worker's keys, and there is one for each ring, keep the next one from hearing. A ring needs none of it: it
carries ids, and Postgres says whose the job is. So a ring is gone as soon as it is heard, and a ring that
is lost with its hearer costs a second.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import arq
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.typing import WorkerCoroutine

from shared.bell import ARQ_DEFAULTS, deserialize

log = logging.getLogger(__name__)

Said = Sequence[Any]  # one ring's arguments
Heard = Callable[[Sequence[Said]], Awaitable[None]]  # all rings of one name, the first rung first

AT_ONCE = 1000
WAIT_S = 1.0  # for a ring; less than the socket's own limit


class Ear(arq.Worker):
    """`await async_run()`: for ever, or until Redis is away. An error of `heard` ends it too."""

    def __init__(self, pool: ArqRedis, queue: str, heard: Mapping[str, Heard]) -> None:
        functions = [arq.func(_alone(hear), name=name) for name, hear in heard.items()]
        super().__init__(functions, queue_name=queue, redis_pool=pool, **ARQ_DEFAULTS)
        self._heard = heard
        limit_s = pool.connection_pool.connection_kwargs.get("socket_timeout") or WAIT_S
        self._wait_s = min(WAIT_S, limit_s / 2)

    async def close(self) -> None:
        """arq's own waits for what it has cancelled, and raises."""
        await self.pool.aclose(close_connection_pool=True)

    async def _poll_iteration(self) -> None:
        said = defaultdict(list)
        for name, arguments in await self._rings():
            said[name].append(arguments)
        for name, rings in said.items():
            await self._heard[name](rings)
        await self.heart_beat()

    async def _rings(self) -> list[tuple[str, Said]]:
        """Waits for the first one; the others are there already."""
        first = await self.pool.bzpopmin(self.queue_name, self._wait_s)
        if first is None:
            return []
        more = await self.pool.zpopmin(self.queue_name, AT_ONCE - 1)
        keys = [job_key_prefix + id.decode() for id in (first[1], *(id for id, _ in more))]
        async with self.pool.pipeline(transaction=False) as pipeline:
            pipeline.mget(keys)
            pipeline.unlink(*keys)
            bodies, _ = await pipeline.execute()
        rings = (self._read(body) for body in bodies)
        return [ring for ring in rings if ring is not None]

    def _read(self, body: bytes | None) -> tuple[str, Said] | None:
        """None for what has expired, and for what is no ring of ours."""
        if body is None:
            return None
        try:
            ring = deserialize(body)
        except ValueError:
            log.warning("something that is no ring lay in %s", self.queue_name)
            return None
        return (ring["f"], ring["a"]) if ring["f"] in self._heard else None


def jobs_in(rings: Sequence[Said]) -> dict[UUID, int]:
    """{job: attempt} of all rings that name one."""
    jobs: dict[UUID, int] = {}
    for said in rings:
        with suppress(ValueError, TypeError, AttributeError):
            job_id, attempt = said
            jobs[UUID(job_id)] = int(attempt)
    return jobs


def _alone(hear: Heard) -> WorkerCoroutine:
    """As arq knows a function."""

    async def run(_: dict[Any, Any], *said: Any) -> None:
        await hear([said])

    return cast(WorkerCoroutine, run)
