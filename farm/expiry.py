"""Jobs that have waited for too long, or for a GPU that is not there: failed, refunded, told why."""

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import timedelta

from shared import ledger, sweeps
from shared.catalog import Catalog
from shared.config import FarmSettings
from shared.connections import Database
from shared.errors import Refusal
from shared.fleets import RECENTLY_S, check_fits
from shared.jobs import Job
from shared.sweeps import Kind
from shared.workers import live_workers

EXPIRED, STRANDED = "expired", "no_gpu_large_enough"
REFUNDED = "Nothing was charged; please try again."


class Expiry:
    """Remembers since when no worker could hold a kind of job; a new leader begins to count anew."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        *,
        farm: FarmSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._catalog = database, catalog
        self._farm, self._clock = farm, clock
        self._since: Mapping[Hashable, float] = {}

    async def expire_waiting(self) -> list[Job]:
        limit = timedelta(seconds=self._farm.longest_wait_s)
        ended = await self._end(limit, code=EXPIRED, sentence=late(limit))
        limit = timedelta(seconds=self._farm.longest_stranded_s)
        for kind, why in (await self._stranded()).items():
            ended += await self._end(limit, code=STRANDED, sentence=f"{why} {REFUNDED}", kind=kind)
        return ended

    async def _end(
        self, waited: timedelta, *, code: str, sentence: str, kind: Kind | None = None
    ) -> list[Job]:
        async with self._database.begin() as session:
            ended = await sweeps.expire(
                session, waited=waited, code=code, sentence=sentence, kind=kind
            )
            for job in ended:
                await ledger.release(session, job)
        return ended

    async def _stranded(self) -> dict[Kind, str]:
        """The kinds that no live worker could hold for long enough, and why."""
        async with self._database.read() as session:
            fleet = await live_workers(session, RECENTLY_S)
            kinds = await sweeps.waiting_kinds(session)
        held: dict[Kind, str] = {}
        for kind, job in kinds.items():
            try:
                check_fits(job.spec, self._catalog, fleet)
            except Refusal as refusal:
                held[kind] = refusal.sentence
        now = self._clock()
        self._since = lasting(self._since, held, now=now)
        long_ago = now - self._farm.longest_stranded_s
        return {kind: held[kind] for kind in held if self._since[kind] <= long_ago}


def lasting(
    since: Mapping[Hashable, float], held: Iterable[Hashable], *, now: float
) -> dict[Hashable, float]:
    """Since when each has been held without a break."""
    return {kind: since.get(kind, now) for kind in held}


def late(limit: timedelta) -> str:
    hours = limit.total_seconds() / 3600
    return f"No GPU had time for this picture within {hours:.3g} hours. {REFUNDED}"
