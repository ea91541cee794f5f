"""What the leader tells: each waiting job's outlook, and to the workers which checkpoints to read ahead.

All of it is carried by Redis, so losing it loses a line of text or a few seconds of loading.
"""

from collections.abc import Coroutine, Iterable
from typing import Any

from farm.forecast import Foresight
from shared.bell import Bell
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job
from shared.outlooks import Outlooks, waiting_event
from shared.waits import Outlook

# A place far back that moves by less than this part of it is no news: the message would flicker.
FLICKER = 0.05
MOST_NEWS = 1000  # in one telling; the board has the rest


class Herald:
    """Remembers what it told, and returns the sending as work to be done beside the next step."""

    def __init__(self, bell: Bell, events: Events, outlooks: Outlooks) -> None:
        self._bell, self._events, self._outlooks = bell, events, outlooks
        self._told: dict[object, Outlook] = {}

    def forget(self) -> None:
        """Whatever was told may have been lost: tell it again."""
        self._told.clear()

    async def left(self) -> None:
        await self._outlooks.forget()

    def news(self, foresight: Foresight) -> list[Coroutine[Any, Any, object]]:
        outlooks = foresight.outlooks
        news = [one for one in outlooks if _is_news(one, self._told.get(one.job_id))][:MOST_NEWS]
        still = {one.job_id: one for one in outlooks}
        self._told = {key: told for key, told in self._told.items() if key in still}
        self._told |= {one.job_id: one for one in news}
        works: list[Coroutine[Any, Any, object]] = [self._outlooks.publish(outlooks)]
        if news:
            works.append(self._events.publish(*map(waiting_event, news)))
        expected = foresight.expected.items()
        return works + [self._bell.ring_expect(name, wanted) for name, wanted in expected]

    def sent(self, jobs: Iterable[Job]) -> list[Coroutine[Any, Any, object]]:
        """The bells of the workers, and the news for whoever watches."""
        sent = list(jobs)
        rings = [(job.worker, job.id, job.attempt) for job in sent if job.worker is not None]
        events = [JobEvent(job.id, EventKind.STATE, state=job.state.value) for job in sent]
        return [self._bell.ring_workers(rings), self._events.publish(*events)] if sent else []


def _is_news(outlook: Outlook, before: Outlook | None) -> bool:
    if before is None or (before.reason != outlook.reason and _near(outlook)):
        return True
    return _moved(before, outlook) or _later(before, outlook)


def _near(outlook: Outlook) -> bool:
    return outlook.position is None or outlook.position * FLICKER <= 1


def _moved(before: Outlook, outlook: Outlook) -> bool:
    if before.position is None or outlook.position is None:
        return before.position is not outlook.position
    return abs(before.position - outlook.position) > FLICKER * before.position


def _later(before: Outlook, outlook: Outlook) -> bool:
    """A second more or less is no news."""
    if before.eta_s is None or outlook.eta_s is None:
        return before.eta_s is not outlook.eta_s
    return abs(before.eta_s - outlook.eta_s) > max(2.0, 0.2 * before.eta_s)
