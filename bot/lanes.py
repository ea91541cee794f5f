"""Which messages are edited next: ends before progress, the longest waiting first. Pure.

Edits by the bot share Discord's bucket of their channel (about five in five seconds), so progress there goes
in single file: an end must not wait behind what nobody will miss.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.delivery import Delivery
from bot.ways import Way, first_way
from shared.jobs import Route

SPACING = timedelta(seconds=2.4)  # two or three in five seconds: the other places are for ends
AT_ONCE = 4  # in each tick: 40 a second, under Discord's 50, with room for answers
REMEMBERED = 1_000


@dataclass(slots=True)
class Lanes:
    """When progress last passed in each channel."""

    _last: dict[str, datetime] = field(default_factory=dict)

    def pick(
        self, waiting: Iterable[Delivery], now: datetime, *, busy: Container[str] = frozenset()
    ) -> list[Delivery]:
        """`busy` are channels in which an edit is in the air: no progress lines up behind it."""
        due = [delivery for delivery in waiting if _due(delivery, now)]
        due.sort(key=lambda delivery: (not delivery.ended, delivery.due))
        picked: list[Delivery] = []
        for delivery in due:
            if len(picked) == AT_ONCE:
                break
            if delivery.ended or self._pass(delivery.route, now, busy):
                picked.append(delivery)
        return picked

    def _pass(self, route: Route, now: datetime, busy: Container[str]) -> bool:
        if not route.message_id or first_way(route, now) is not Way.EDIT:
            return True
        last = self._last.get(route.channel_id)
        if last is not None and now - last < SPACING:
            return False
        if route.channel_id in busy:
            return False
        self._last[route.channel_id] = now
        if len(self._last) > REMEMBERED:
            self._last = {id: at for id, at in self._last.items() if now - at < SPACING}
        return True


def _due(delivery: Delivery, now: datetime) -> bool:
    if delivery.ended and not delivery.tries:
        return True
    return now >= delivery.due and (delivery.ended or (delivery.stale and not delivery.muted))
