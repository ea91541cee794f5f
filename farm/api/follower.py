"""One client that follows a job, or all of an account's, at its own pace."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from farm.api import told
from farm.api.told import Told
from shared.events import EventKind, JobEvent
from shared.jobs import JobState
from shared.transitions import Transition

PULSE_S = 15.0
MOST_WAITING = 2_000  # states that were not fetched: who is so slow is let go, and may come back
# Of each of a state's jobs this is news; the rest belongs to a state that is over.
_NEWS = {
    JobState.WAITING: {EventKind.WAITING},
    JobState.DISPATCHED: {EventKind.WAITING},
    JobState.RUNNING: {EventKind.PROGRESS, EventKind.PREVIEW},
}


class Follower:
    """What a slow one has not fetched stays bounded: of what passes by the latest alone, and so many
    states."""

    def __init__(self, after: int, *, one_job: bool) -> None:
        """Of one job it ends with it."""
        self._last = after
        self._one_job = one_job
        self._states: dict[int, Transition] = {}
        self._news: dict[tuple[UUID, EventKind], JobEvent] = {}
        self._awake = asyncio.Event()
        self.over = False  # the job has ended
        self.overrun = False
        self.released = False

    @property
    def last(self) -> int:
        """The last state that was told, or that need not be."""
        return self._last

    def skip_to(self, number: int) -> None:
        """What is older is not told."""
        self._last = max(self._last, number)
        self._states = {key: one for key, one in self._states.items() if key > self._last}

    def learn(self, transition: Transition) -> None:
        """What was told before, here or to the same client in another life, is not told again."""
        if transition.id > self._last:
            self._states[transition.id] = transition
            self.overrun |= len(self._states) > MOST_WAITING
            self._forget_old_news(transition)
            self._awake.set()

    def hear(self, event: JobEvent) -> None:
        self._news[event.job_id, event.kind] = event
        self._awake.set()

    def end(self) -> None:
        """Nothing follows what it has not fetched yet."""
        self.over = True
        self._awake.set()

    def release(self) -> None:
        """This process ends: whoever comes back with the last id finds another one."""
        self.released = True
        self._awake.set()

    @property
    def done(self) -> bool:
        return self.over and not self._states

    async def read(self, pulse_s: float = PULSE_S) -> AsyncGenerator[Told | None]:
        """Until the job's end, or for ever; None when nothing was told for so long."""
        while True:
            for one in self._taken():
                yield one
            if self.over or self.overrun or self.released:
                return
            if not await self._woken(pulse_s):
                yield None

    def _taken(self) -> list[Told]:
        self._awake.clear()
        states = [self._states.pop(number) for number in sorted(self._states)]
        if states:
            self._last = states[-1].id
        if self._one_job and states and states[-1].ends:
            self.over = True
            self._news.clear()
        news = [told.of_event(event, self._last) for event in self._news.values()]
        self._news.clear()
        return [*map(told.of_transition, states), *news]

    async def _woken(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True

    def _forget_old_news(self, transition: Transition) -> None:
        still = _NEWS.get(transition.target, set())
        for kind in (EventKind.WAITING, EventKind.PROGRESS, EventKind.PREVIEW):
            if kind not in still:
                self._news.pop((transition.job_id, kind), None)
