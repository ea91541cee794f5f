"""The GPU child as its parent sees it: kept alive, watched for hangs, one conversation for each job."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from farm.answers import Answers
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    Ready,
    Report,
    Stock,
    Stocked,
    ToChild,
    ToParent,
)
from farm.meters import Meters
from farm.pulse import Patience, Pulse
from shared.errors import Fault

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
HEALTHY_S = 60.0  # a life as long as this was not a start-up crash: the pause starts over
WATCH_EVERY_S = 1.0
UNFIT = 78  # the child's own word for: starting again will not help
NOT_STARTED = -1


class EngineGone(Exception):
    """The child died while it had this job."""


class OwnershipLost(Exception):
    """Another worker has the job now, or it was cancelled: stop, and touch nothing of it."""


class LeaseRunOut(Exception):
    """By our own clock, and Postgres cannot be asked: somebody else may have the job by now."""


class Engine(Protocol):
    """One running child; `farm.engine.client` starts a real one."""

    @property
    def pid(self) -> int: ...
    async def send(self, message: ToChild) -> None: ...
    def messages(self) -> AsyncIterator[ToParent]: ...
    async def close(self) -> int: ...
    def kill(self) -> None: ...


class Talk:
    """One job's conversation with the child. An interruption ends it before any later message."""

    def __init__(self, child: "Child", job_id: str, attempt: int) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.surrendered = False  # its lease is to run out: no heartbeat may renew it
        self._child = child
        self._inbox: asyncio.Queue[ToParent | None] = asyncio.Queue()
        self._interruption: Exception | None = None
        self._interrupted = asyncio.Event()
        self._ended = False

    async def say(self, message: ToChild) -> None:
        self.check()  # another child may be there by now, which knows nothing of this job
        await self._child.send(message)

    async def hear(self) -> ToParent:
        """The next message; OwnershipLost at once, EngineGone after the last thing it said."""
        self._check_ownership()
        message = await self._inbox.get()
        self._check_ownership()
        if message is None:
            raise EngineGone
        return message

    @property
    def behind(self) -> bool:
        """More has been said than was heard."""
        return not self._inbox.empty()

    def check(self) -> None:
        self._check_ownership()
        if self._ended:
            raise EngineGone

    def _check_ownership(self) -> None:
        if self._interruption is not None:
            raise self._interruption

    async def pause(self, seconds: float) -> None:
        """Sleep, unless the conversation is interrupted meanwhile: then raise at once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._interrupted.wait(), seconds)
        self.check()

    def put(self, message: ToParent) -> None:
        self._inbox.put_nowait(message)

    def interrupt(self, error: Exception) -> None:
        """The first reason counts."""
        if self._interruption is not None:
            return
        self._interruption = error
        self._interrupted.set()
        self._inbox.put_nowait(None)

    def end(self) -> None:
        """The child is gone; a job that it finished or gave back before is no crash."""
        self._ended = True
        self._interrupted.set()
        self._inbox.put_nowait(None)

    def leave(self) -> None:
        """The child's part is over: its death no longer concerns this job."""
        self._ended = False
        if self._interruption is None:
            self._interrupted.clear()
        self._child.forget(self)

    async def drop(self, *, forget: bool) -> None:
        await self._child.drop(self.job_id, forget=forget)


class Child:
    def __init__(
        self,
        start: Callable[[], Awaitable[Engine]],
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = start
        self._patience = patience or Patience()
        self._clock = clock
        self._client: Engine | None = None
        self._talks: dict[str, Talk] = {}
        self._answers = Answers()
        self._leaving = False
        self._expected: tuple[str, ...] = ()
        self._pulse = Pulse(self._patience, now=clock())
        self._changed = asyncio.Event()
        self.ready: Ready | None = None
        self.unfit = False  # this device, or its settings, will not do: jobs belong elsewhere
        self.meters = Meters()

    async def changed_within(self, seconds: float) -> None:
        """Returns early when the child became ready, died, or has other checkpoints or other room at
        hand: the dispatcher should know at once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    def touch(self) -> None:
        """Something else of us changed that the dispatcher should know at once."""
        self._changed.set()

    async def run(self) -> None:
        """One life after another, with a growing pause between lives that end young."""
        pause = FIRST_PAUSE_S
        while True:
            born = self._clock()
            code = await self._live()
            self.unfit = code == UNFIT
            self._bereave()
            if self._leaving:
                return
            if self.unfit:
                raise Fault("engine_unfit", "The GPU process cannot run here; its log says why.")
            pause = FIRST_PAUSE_S if self._clock() - born > HEALTHY_S else pause
            log.warning("The GPU process ended (%d); starting another in %.1f s.", code, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def open(self, job_id: str, attempt: int) -> Talk:
        talk = self._talks[job_id] = Talk(self, job_id, attempt)
        return talk

    def forget(self, talk: Talk) -> None:
        if self._talks.get(talk.job_id) is talk:
            del self._talks[talk.job_id]

    async def send(self, message: ToChild) -> None:
        client = self._client
        if client is None:
            raise EngineGone
        try:
            await client.send(message)
        except Fault as fault:
            raise EngineGone from fault

    async def drop(self, job_id: str, *, forget: bool) -> None:
        """A child that is gone has dropped everything already; stale snapshots are swept."""
        with contextlib.suppress(EngineGone):
            await self.send(Drop(job_id, forget=forget))

    async def expect(self, checkpoints: Sequence[str]) -> None:
        """What will be needed next, in order. Said when it is new, and anew to another child."""
        if tuple(checkpoints) == self._expected:
            return
        with contextlib.suppress(EngineGone):
            await self.send(Expect(list(checkpoints)))
            self._expected = tuple(checkpoints)

    async def stock(self, wanted: Stock) -> Stocked:
        """EngineGone when there is no child, or no longer."""
        with self._answers.expected(wanted.id) as answer:
            await self.send(wanted)
            return await answer

    async def drain(self) -> None:
        """The child saves and gives back what it has, then ends; `run` returns."""
        self._leaving = True
        with contextlib.suppress(EngineGone):
            await self.send(Drain())

    def kill(self) -> None:
        self._leaving = True
        if self._client is not None:
            self._client.kill()

    @property
    def pid(self) -> int | None:
        return self._client.pid if self._client else None

    async def _live(self) -> int:
        """How the child ended: its exit status."""
        try:
            client = await self._start()
        except OSError:
            log.exception("The GPU process could not be started.")
            return NOT_STARTED
        self._client, self._pulse = client, Pulse(self._patience, now=self._clock())
        self._expected = ()
        watch = asyncio.create_task(self._watch(client))
        try:
            await self._listen(client)
        finally:
            self._client = self.ready = None
            self._changed.set()
            watch.cancel()
            code = await client.close()
            self.meters.ended(code)
        return code

    async def _listen(self, client: Engine) -> None:
        try:
            async for message in client.messages():
                self._pulse.heard(message, now=self._clock())
                self.meters.hear(message)
                self._route(message)
        except Exception:
            log.exception("The GPU process said something that cannot be read.")

    def _route(self, message: ToParent) -> None:
        if isinstance(message, Ready):
            self._stand(message)
            return
        if isinstance(message, Report):
            self._restock(message)
            return
        if isinstance(message, Stocked):
            self._answers.hear(message)
            return
        talk = self._talks.get(message.job_id)
        # An answer to an earlier attempt of this job is not an answer to this one.
        if talk is not None and getattr(message, "attempt", talk.attempt) == talk.attempt:
            talk.put(message)

    def _stand(self, ready: Ready) -> None:
        if ready != self.ready:
            self.ready = ready
            self._changed.set()

    def _restock(self, report: Report) -> None:
        if self.ready is None:
            return
        now: dict[str, object] = {"checkpoints": report.checkpoints}
        if (device := report.tiers.get("device")) is not None:
            now |= {"vram_bytes": device.budget, "free_bytes": device.free}
        self._stand(msgspec.structs.replace(self.ready, **now))

    def _bereave(self) -> None:
        for talk in list(self._talks.values()):
            talk.end()
        self._talks.clear()
        self._answers.give_up(EngineGone())

    async def _watch(self, client: Engine) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self.ready is not None and not self._talks:
                self._pulse.idle(now=self._clock())
            elif self._pulse.overdue(now=self._clock(), jobs=self._talks.keys()):
                log.error("The GPU process hangs; killing it.")
                client.kill()
                return
