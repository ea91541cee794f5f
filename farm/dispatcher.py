"""The dispatcher's process: stand by, lead, stand by again. The doorbells' ear and the signals.

The leader looks at Postgres each second whatever Redis does; bells and events only make it sooner.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from random import random
from time import monotonic

from redis.exceptions import RedisError

from farm import meters
from farm.auditor import Auditor
from farm.chores import Chore, Tally, one_by_one
from farm.ear import Ear, Said, jobs_in
from farm.herald import Herald
from farm.leader import Leader
from farm.maintenance import Maintenance
from farm.retention import Retention
from shared.bell import PICK, QUEUES, Bell, arq_pool
from shared.catalog import Catalog, read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import EventKind, Events
from shared.jobs import JobState
from shared.leadership import Leadership
from shared.outlooks import Outlooks
from shared.plans import PlanBook, Speed, read_plans
from shared.storage import ObjectStore, open_store
from shared.telemetry import configure_logging

log = logging.getLogger(__name__)

FIRST_REST_S, LONGEST_REST_S = 0.1, 10.0
STEADY_AFTER_S = 10.0
ASK_AGAIN_S = 0.2
# Of our own doing, or of no effect on who runs next.
_OLD_NEWS = frozenset({JobState.DISPATCHED.value, JobState.RUNNING.value})


class Dispatcher:
    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        bell: Bell,
        events: Events,
        outlooks: Outlooks,
        store: ObjectStore,
        book: PlanBook,
        catalog: Catalog,
    ) -> None:
        self._settings, self._database = settings, database
        self._bell, self._events, self._outlooks = bell, events, outlooks
        self._store, self._book, self._catalog = store, book, catalog
        self.tally = Tally()
        self.leads = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        leadership = Leadership(self._settings.database)
        try:
            while True:
                await self._stand_by(leadership)
                await self._lead(leadership)
                # Who has lost the lock lets the others try first, and never spins.
                await asyncio.sleep(self._settings.farm.standby_every_s)
        finally:
            self.leads.clear()
            await leadership.close()

    async def _stand_by(self, leadership: Leadership) -> None:
        while True:
            if await leadership.won():
                return
            await asyncio.sleep(self._settings.farm.standby_every_s)

    async def _lead(self, leadership: Leadership) -> None:
        log.info("this dispatcher leads")
        leader = Leader(
            self._database,
            self._bell,
            Herald(self._bell, self._events, self._outlooks),
            book=self._book,
            catalog=self._catalog,
            farm=self._settings.farm,
            ringing_again=lambda rows: self.tally.done("re_ring", rows=rows),
        )
        parts = [
            asyncio.create_task(_kept_up(name, part), name=name)
            for name, part in self._parts(leader, leadership).items()
        ]
        self.leads.set()
        try:
            await leadership.lost(look_every_s=self._settings.farm.standby_every_s)
            log.warning("this dispatcher leads no more")
        finally:
            self.leads.clear()
            await _stop(parts)
            await leader.close()
            await leadership.close()

    def _parts(
        self, leader: Leader, leadership: Leadership
    ) -> dict[str, Callable[[], Awaitable[None]]]:
        maintenance = Maintenance(
            self._database,
            self._events,
            store=self._store,
            catalog=self._catalog,
            farm=self._settings.farm,
            heard=leader.rung,
            merciful=lambda: leadership.back_for_s < self._settings.farm.outage_grace_s,
        )
        parts = {f"ear of {QUEUES[speed]}": self._ear(leader, speed) for speed in Speed}
        auditor = Auditor(self._settings.database, self.tally)
        audits = Chore("reconcile", self._settings.farm.reconcile_every_s, auditor.reconcile)
        retention = Retention(self._database, self._store, self._settings.safety)
        chores = (*maintenance.chores, *retention.chores, audits)
        return {
            **parts,
            **one_by_one(chores, self.tally),
            "steps": lambda: _steps(leader),
            "events": lambda: self._follow_events(leader),
        }

    def _ear(self, leader: Leader, speed: Speed) -> Callable[[], Awaitable[None]]:
        """On the queue of one speed: it takes the bells down and wakes the leader."""

        async def pick(rings: Sequence[Said]) -> None:
            for job_id in jobs_in(rings):
                if not leader.knows(job_id):  # an event was quicker
                    leader.rung(job_id)

        async def listen() -> None:
            ear = Ear(await arq_pool(self._settings.redis), QUEUES[speed], {PICK: pick})
            try:
                await ear.main()
            finally:
                await _quietly(ear.close())

        return listen

    async def _follow_events(self, leader: Leader) -> None:
        async with self._events.subscribe() as stream:
            leader.rescan()  # whatever was said before we listened
            async for event in stream:
                if event.kind is EventKind.STATE and event.state not in _OLD_NEWS:
                    leader.rung(event.job_id)
                elif event.kind is EventKind.PROGRESS and event.eta_s is not None:
                    leader.drawing(event.job_id, event.eta_s)


async def run_dispatcher(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; then the lock is handed on and everything is closed."""
    configure_logging(settings.log_level)
    async with AsyncExitStack() as stack:
        database = Database.connect(settings.database)
        stack.push_async_callback(database.close)
        redis = connect_redis(settings.redis)
        stack.push_async_callback(redis.aclose)
        bell = Bell(settings.redis)
        stack.push_async_callback(bell.close)
        dispatcher = Dispatcher(
            settings,
            database=database,
            bell=bell,
            events=Events(redis),
            outlooks=Outlooks(redis),
            store=open_store(settings.storage),
            book=read_plans(settings.plans_file),
            catalog=read_catalog(settings.catalog_file),
        )
        host, port = settings.farm.metrics_host, settings.farm.metrics_port
        stack.enter_context(meters.served(dispatcher.tally.registry, host=host, port=port))
        await _until_signal(asyncio.create_task(dispatcher.run()))


async def _until_signal(running: asyncio.Task[None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        await asyncio.wait([running])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        running.cancel()
        await asyncio.wait([running])
    if not running.cancelled():
        running.result()


async def _steps(leader: Leader) -> None:
    while True:
        await leader.awake()
        await leader.step()


async def _kept_up(name: str, part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails rests a while and begins again; the other parts go on."""
    rest = FIRST_REST_S
    while True:
        began = monotonic()
        try:
            await part()
        except (Fault, RedisError, OSError) as error:
            log.warning("%s: %s; again in %.1f s", name, type(error).__name__, rest)
        except Exception:
            log.exception("%s failed, again in %.1f s", name, rest)
        await asyncio.sleep(rest * (0.5 + random()))
        steady = monotonic() - began > STEADY_AFTER_S
        rest = FIRST_REST_S if steady else min(2 * rest, LONGEST_REST_S)


async def _stop(parts: Collection[asyncio.Task[None]]) -> None:
    """Asks until all have ended: on Python 3.11 `asyncio.wait_for`, through which the Redis client
    sends, swallows a cancel that comes in the same moment as its result. A TaskGroup asks only once.
    """
    left = set(parts)
    while left:
        for part in left:
            part.cancel()
        _, left = await asyncio.wait(left, timeout=ASK_AGAIN_S)


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(RedisError, OSError):
        await work
