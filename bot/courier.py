"""The courier: keeps each job's one message true, from "waiting" to the picture or the reason.

Postgres says which messages are open and what became of their jobs; events only make it quick.
Each message has one editor: coalesced, one edit at a time, and nothing after the final one.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bot.copies import Copies
from bot.delivery import Delivery
from bot.easel import Easel, Veil, uncovered
from bot.lanes import Lanes
from bot.mail import Later, Mail, Shut, too_old
from bot.messages import Painter
from bot.news import EarlyNews, News
from bot.turns import forever
from bot.ways import REPAINTING, Way, first_way
from shared import jobstore
from shared.connections import Database
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState, Route
from shared.outlooks import Outlooks, waiting_event
from shared.waits import Outlook

log = logging.getLogger(__name__)

RECONCILE_S = 2.0  # what a lost event may cost
SILENT_FOR = timedelta(seconds=10)  # then nobody knows how long a job waits
TICK_S = 0.1
MAX_WAIT_S = 60.0
FIRST_EDIT_S = 10.0
ANY_WAY = frozenset(Way)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Courier:
    def __init__(
        self,
        mail: Mail,
        *,
        database: Database,
        events: Events,
        outlooks: Outlooks,
        painter: Painter,
        interval_s: float,
        veil: Veil = uncovered,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._mail = mail
        self._database = database
        self._events = events
        self._outlooks = outlooks
        self._easel = Easel(painter, database, veil)
        self._copies = Copies(mail, database)
        self._interval = timedelta(seconds=interval_s)
        self._now = now
        self._told_at = now()
        self._lanes = Lanes()
        self._open: dict[UUID, Delivery] = {}
        self._editing: dict[UUID, asyncio.Task[None]] = {}
        self._early = EarlyNews()
        self._closed: set[UUID] = set()  # ended while a reconcile was reading
        self._firsts: dict[UUID, asyncio.Event] = {}
        self._ask = asyncio.Event()  # set when the rows are worth a look before their time

    async def run(self) -> None:
        try:
            # gather passes every cancellation on, where a TaskGroup would pass on the first alone.
            await asyncio.gather(*map(forever, (self._listen, self._look, self._tick)))
        finally:
            edits = list(self._editing.values())
            for edit in edits:
                edit.cancel()
            await asyncio.gather(*edits, return_exceptions=True)

    def expect(self, jobs: Iterable[Job]) -> None:
        """New jobs of ours: their rows hold the routes, so have a look at once."""
        if any(not job.state.terminal for job in jobs):
            self.wake()

    async def shown(self, job: Job) -> bool:
        """Waits for the first edit of a job's message: until then a follow-up would take its place."""
        first = self._firsts.setdefault(job.id, asyncio.Event())
        try:
            async with asyncio.timeout(FIRST_EDIT_S):
                await first.wait()
        except TimeoutError:
            return False
        finally:
            self._firsts.pop(job.id, None)
        return True

    def news(self, job_id: UUID) -> News:
        """The latest of a job whose message is open here."""
        delivery = self._open.get(job_id)
        return delivery.news if delivery else News()

    def wake(self) -> None:
        self._ask.set()

    async def _listen(self) -> None:
        async with self._events.subscribe() as stream:
            self.wake()  # whatever was said while we did not listen is in the rows
            async for event in stream:
                self.hear(event)

    async def _look(self) -> None:
        self._ask.clear()
        await self.reconcile()
        await asyncio.sleep(TICK_S)
        with suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it may swallow the cancellation that ends this process.
            async with asyncio.timeout(RECONCILE_S):
                await self._ask.wait()

    async def _tick(self) -> None:
        self.step()
        await asyncio.sleep(TICK_S)

    def hear(self, event: JobEvent) -> None:
        if event.kind is EventKind.STATE:
            self.wake()
        elif delivery := self._open.get(event.job_id):
            delivery.hear(event)
        else:
            self._early.keep(event)

    async def reconcile(self) -> None:
        """One query brings every open message's job and route, one look at the board their outlooks."""
        before = set(self._open)
        self._closed.clear()
        async with self._database.read() as session:
            rows = await jobstore.open_deliveries(session)
        waiting = [job.id for job, _ in rows if job.state is JobState.WAITING]
        told = await self._outlooks.read(waiting) if waiting else {}
        for job, route in rows:
            self._learn(job, route)
        self._foresee(told)  # in the same breath: nobody shall see the message without it
        for job_id in before - {job.id for job, _ in rows}:
            await self._let_go(job_id)
        await self._drop_old_tokens()

    def _learn(self, job: Job, route: Route) -> None:
        if job.id in self._closed:
            return
        delivery = self._open.get(job.id)
        if delivery is None:
            news = self._early.take(job.id)
            self._open[job.id] = Delivery(job, route, self._now(), news)
        else:
            delivery.learn(job)

    async def _let_go(self, job_id: UUID) -> None:
        """Another process has shown the end. If ours might since have painted over it, repaint."""
        delivery = self._open.get(job_id)
        if delivery is None or job_id in self._editing:
            return
        if delivery.shown is not None and not delivery.shown.final:
            async with self._database.read() as session:
                job = await jobstore.load(session, job_id)
            if job is not None and job.state.terminal:
                delivery.learn(job)
                return
        del self._open[job_id]

    def _foresee(self, told: Mapping[UUID, Outlook] | None) -> None:
        """What was said of waiting jobs before this process listened; and nothing any more from a
        dispatcher that is gone."""
        if told is not None:
            self._told_at = self._now()
        silent = self._now() - self._told_at > SILENT_FOR
        for delivery in self._open.values():
            outlook = (told or {}).get(delivery.job.id)
            if silent:
                delivery.unhear()
            elif outlook and delivery.unheard:
                delivery.hear(waiting_event(outlook))

    async def _drop_old_tokens(self) -> None:
        """A token edits a person's messages for 15 minutes; after that it is only a secret to lose."""
        now = self._now()
        for delivery in list(self._open.values()):
            route = delivery.route
            if delivery.job.id in self._editing or not route.token or not route.token_expires_at:
                continue
            if now >= route.token_expires_at:
                await self._keep_route(delivery, replace(route, token=None))

    async def _keep_route(self, delivery: Delivery, route: Route) -> None:
        async with self._database.begin() as session:
            await jobstore.set_route(session, delivery.job.id, route)
        delivery.route = route

    def step(self) -> None:
        """Starts the edits that are due."""
        now = self._now()
        free = [d for d in self._open.values() if d.job.id not in self._editing]
        busy = {self._open[id].route.channel_id for id in self._editing if id in self._open}
        for delivery in self._lanes.pick(free, now, busy=busy):
            self._editing[delivery.job.id] = asyncio.create_task(self._edit(delivery))

    async def settle(self) -> None:
        """Waits for the edits in the air."""
        while self._editing:
            await asyncio.wait(self._editing.values())

    async def _edit(self, delivery: Delivery) -> None:
        job_id = delivery.job.id
        try:
            await (self._finish(delivery) if delivery.ended else self._progress(delivery))
            delivery.tries = 0
            if first := self._firsts.get(job_id):
                first.set()
        except (Later, Fault) as error:
            self._put_off(delivery, error)
        except Exception as error:
            log.exception("the message of job %s could not be edited", job_id)
            self._put_off(delivery, error)
        finally:
            self._editing.pop(job_id, None)

    def _put_off(self, delivery: Delivery, error: Exception) -> None:
        delivery.tries += 1
        delivery.stale = True
        wait = min(2.0 ** min(delivery.tries, 6), MAX_WAIT_S) * random.uniform(0.5, 1.0)
        wait = max(wait, error.after_s if isinstance(error, Later) else 0.0)
        delivery.due = self._now() + timedelta(seconds=wait)
        log.warning("message of job %s: %s; again in %.1f s", delivery.job.id, error, wait)

    async def _progress(self, delivery: Delivery) -> None:
        now = self._now()
        delivery.due, delivery.stale = now + self._interval, False
        card = await self._easel.progress(delivery, now)
        if card == delivery.shown or self._too_late(delivery.route, now):
            return
        try:
            route = await self._mail.deliver(
                card, delivery.job, delivery.route, now=now, allowed=REPAINTING
            )
        except Shut as shut:
            delivery.muted = True  # the picture itself will find its way
            log.info("job %s goes on without progress: %s", delivery.job.id, shut)
            return
        delivery.shown = card
        delivery.due = self._now() + self._interval  # it may have waited in line
        if route != delivery.route:
            await self._keep_route(delivery, route)

    def _too_late(self, route: Route, now: datetime) -> bool:
        # The one edit that Discord allows an old message is kept for the picture.
        return bool(route.message_id) and first_way(route, now) is Way.EDIT and too_old(route, now)

    async def _finish(self, delivery: Delivery) -> None:
        job, now = delivery.job, self._now()
        card = await self._easel.final(delivery, now)
        try:
            if card.erases:
                await self._mail.take_back(card, job, delivery.route, now=now)
            elif card != delivery.shown:
                delivery.route = await self._mail.deliver(
                    card, job, delivery.route, now=now, allowed=ANY_WAY
                )
                delivery.shown = card
                await self._copies.send(delivery, card)
        except Shut as shut:
            await self._close(delivery, undeliverable=str(shut))
            return
        await self._close(delivery)

    async def _close(self, delivery: Delivery, *, undeliverable: str = "") -> None:
        """The job keeps its end and its pictures, whether or not anybody could be shown."""
        job_id = delivery.job.id
        async with self._database.begin() as session:
            await jobstore.set_route(session, job_id, replace(delivery.route, token=None))
            if undeliverable:
                await jobstore.undeliverable(session, job_id, undeliverable)
            else:
                await jobstore.delivered(session, job_id)
        if undeliverable:
            log.error("job %s cannot be shown: %s", job_id, undeliverable)
        self._closed.add(job_id)
        self._open.pop(job_id, None)
