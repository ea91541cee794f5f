"""The end of the book of transitions, read in one place for all who follow: which are new, and up to which
number the book is whole. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from shared.transitions import LONGEST_TRANSACTION_S, Look, Transition


@dataclass(frozen=True, slots=True)
class _Mark:
    """At a look, at this moment, `high` was seen, and `coming` was the next transaction."""

    high: int
    coming: int
    at: float


class Tail:
    """Numbers are drawn before they are committed, so a lower one may be seen later than a higher one. A
    transition is `fresh` at the first look that sees it, and `settled` once no lower one can come: when
    every transaction that ran at the look that saw it has ended.
    """

    def __init__(self, floor: int) -> None:
        """Nothing below `floor` comes any more (shared.transitions.settled)."""
        self.floor = floor
        self._seen: dict[int, Transition] = {}
        self._marks: deque[_Mark] = deque()

    @property
    def unsettled(self) -> bool:
        return bool(self._seen)

    def look(self, look: Look, now: float) -> tuple[Sequence[Transition], Sequence[Transition]]:
        """What is fresh and what is settled since the last one, each in the order of its numbers. `look`
        is beyond `floor`."""
        fresh = [one for one in look.beyond if one.id not in self._seen]
        self._seen |= {one.id: one for one in fresh}
        if fresh:
            self._marks.append(_Mark(max(self._seen), look.coming, now))
        self.floor = self._whole_until(look.oldest, now)
        settled = [self._seen.pop(number) for number in sorted(self._seen) if number <= self.floor]
        return fresh, settled

    def _whole_until(self, oldest: int, now: float) -> int:
        """Whatever still runs after so long, is not a transaction of ours."""
        floor = self.floor
        while self._marks and (
            self._marks[0].coming <= oldest or now - self._marks[0].at > LONGEST_TRANSACTION_S
        ):
            floor = max(floor, self._marks.popleft().high)
        return floor
