"""Following: one subscription and one look at Postgres a process, for however many clients follow jobs.

States come from the book of transitions, so none is lost, whatever becomes of Redis, of this process or of
the line to the client. What only passes by (steps, previews, places in the queue) comes from Redis.
"""

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from uuid import UUID

from farm.api.follower import PULSE_S, Follower
from farm.api.tail import Tail
from farm.api.told import Told, number_of
from shared import joblists, transitions
from shared.connections import Database
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.outlooks import Outlooks, waiting_event
from shared.transitions import Transition

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # what a lost event may cost
SETTLING_S = 0.03  # until what runs beside a change has ended
BREATH_S = 0.005  # between two looks: many changes are seen at once
AGAIN_S = 0.1  # the client of Redis eats a cancel that comes while it connects
REMEMBERED = 4_096  # jobs whose last step is known here


class Following:
    def __init__(self, database: Database, events: Events, outlooks: Outlooks) -> None:
        self._database = database
        self._events = events
        self._outlooks = outlooks
        self._of_job: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._of_account: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._owners: dict[
            UUID, UUID
        ] = {}  # of open jobs, where somebody follows the whole account
        self._steps: OrderedDict[UUID, JobEvent] = OrderedDict()
        self._tail: Tail | None = None
        self._looking = asyncio.Lock()
        self._poked = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # --- for those who follow --------------------------------------------------------------------

    async def events(self, job_id: UUID, after: str | None = None) -> AsyncGenerator[Told]:
        """Every state of a job after the one of this id, and what passes by; ends with the job. Whether
        the caller may know of it, the caller asks first."""
        async with self.job(job_id, after) as follower, aclosing(follower.read(PULSE_S)) as stream:
            async for one in stream:
                if one is not None:
                    yield one

    @asynccontextmanager
    async def job(self, job_id: UUID, after: str | None = None) -> AsyncIterator[Follower]:
        """Refusal `invalid_event_id`; a Fault while Postgres is away."""
        follower = Follower(number_of(after), one_job=True)
        with _among(self._of_job, job_id, follower):
            await self._begin()
            async with self._database.single() as session:
                known = await transitions.of_job(session, job_id)
            self._tell(follower, known)
            if known and known[-1].ends:
                follower.end()
            else:
                await self._foresee(follower, [job_id])
            yield follower

    @asynccontextmanager
    async def account(self, account_id: UUID, after: str | None = None) -> AsyncIterator[Follower]:
        """Of all of its jobs, in one order that is the same each time; without `after` from now on."""
        follower = Follower(number_of(after), one_job=False)
        with _among(self._of_account, account_id, follower):
            await self._begin()
            if not after:
                follower.skip_to(self._floor)
            open_jobs = await self._catch_up(follower, account_id)
            await self._foresee(follower, open_jobs)
            yield follower

    @property
    def followers(self) -> int:
        return len(self._everybody())

    @property
    def listening(self) -> bool:
        return bool(self._tasks)

    def step(self, job_id: UUID) -> JobEvent | None:
        """The last step that was heard of here, of a job that is being drawn."""
        return self._steps.get(job_id)

    def release(self) -> None:
        """Everybody is let go, and may come back with the last id."""
        for follower in self._everybody():
            follower.release()

    async def close(self) -> None:
        self.release()
        tasks, self._tasks = self._tasks, []
        while left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=AGAIN_S)

    def start(self) -> None:
        """Listens from now on; whoever follows first does so too."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]

    # --- catching up -----------------------------------------------------------------------------

    async def _begin(self) -> None:
        """From here on nothing new is missed."""
        self.start()
        if self._tail is None:
            await self._look()

    @property
    def _floor(self) -> int:
        return self._tail.floor if self._tail else 0

    async def _catch_up(self, follower: Follower, account_id: UUID) -> Sequence[UUID]:
        """What is settled since; what is not yet, the tail tells. Its open jobs."""
        until, after = self._floor, follower.last
        while after < until:
            async with self._database.single() as session:
                page = await transitions.of_account(session, account_id, after=after, until=until)
            self._tell(follower, page)
            after = page[-1].id if len(page) == transitions.PAGE else until
        async with self._database.single() as session:
            jobs = await joblists.open_jobs(session, account_id)
        self._owners |= {job.id: account_id for job in jobs}
        return [job.id for job in jobs]

    def _tell(self, follower: Follower, known: Sequence[Transition]) -> None:
        for transition in known:
            follower.learn(transition)

    async def _foresee(self, follower: Follower, job_ids: Sequence[UUID]) -> None:
        """What was said before anybody listened."""
        told = await self._outlooks.read(job_ids) if job_ids else None
        for outlook in (told or {}).values():
            follower.hear(waiting_event(outlook))
        for job_id in job_ids:
            if step := self._steps.get(job_id):
                follower.hear(step)

    # --- what passes by --------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self._events.follow():
            if event is None or event.kind is EventKind.STATE:
                self._poked.set()
            else:
                self._hear(event)

    def _hear(self, event: JobEvent) -> None:
        if event.kind is EventKind.PROGRESS:
            self._steps[event.job_id] = event
            self._steps.move_to_end(event.job_id)
            if len(self._steps) > REMEMBERED:
                self._steps.popitem(last=False)
        for follower in self._of_job.get(event.job_id, ()):
            follower.hear(event)
        owner = self._owners.get(event.job_id)
        for follower in self._of_account.get(owner, ()) if owner else ():
            follower.hear(event)

    # --- what is written down --------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await self._until_poked()
            if not self._everybody():
                self._tail = None
                self._owners.clear()
                continue
            try:
                await self._look()
            except Fault as fault:
                log.warning("Who follows waits: %s (%s)", fault.sentence, fault.code)
                await asyncio.sleep(LOOK_EVERY_S)
            except Exception:
                log.exception("The book of transitions could not be read.")
                await asyncio.sleep(LOOK_EVERY_S)

    async def _until_poked(self) -> None:
        unsettled = self._of_account and self._tail and self._tail.unsettled
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLING_S if unsettled else LOOK_EVERY_S):
                await self._poked.wait()
        self._poked.clear()
        await asyncio.sleep(BREATH_S)

    async def _look(self) -> None:
        async with self._looking:
            async with self._database.single() as session:
                tail = self._tail or Tail(await transitions.settled(session))
                look = await transitions.look_beyond(session, tail.floor)
            self._tail = tail
            self._pass_on(*tail.look(look, time.monotonic()))

    def _pass_on(self, fresh: Sequence[Transition], settled: Sequence[Transition]) -> None:
        """A job's own followers need not wait for what other jobs do."""
        for one in fresh:
            for follower in self._of_job.get(one.job_id, ()):
                follower.learn(one)
        for one in settled:
            self._settle(one)

    def _settle(self, one: Transition) -> None:
        if one.ends:
            self._steps.pop(one.job_id, None)
            self._owners.pop(one.job_id, None)
        elif one.account_id in self._of_account:
            self._owners[one.job_id] = one.account_id
        for follower in self._of_account.get(one.account_id, ()):
            follower.learn(one)

    def _everybody(self) -> list[Follower]:
        every = (*self._of_job.values(), *self._of_account.values())
        return [follower for followers in every for follower in followers]


@contextmanager
def _among(
    followers: defaultdict[UUID, set[Follower]], whose: UUID, follower: Follower
) -> Iterator[None]:
    followers[whose].add(follower)
    try:
        yield
    finally:
        followers[whose].discard(follower)
        if not followers[whose]:
            del followers[whose]
