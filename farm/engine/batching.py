"""Who runs in the next forward. Pure: lists in, choices out; no torch, no clock."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Group = Hashable
Cap = Callable[[Group], int]

# Of the time that higher ranks take, lower ones get this much: 1/17 of the device, when they can use it.
FLOOR = 1 / 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory that has steps left. Only those with the same `key` may share a forward."""

    key: Group
    rank: int
    arrived: int
    rows: int


class Turns:
    """Deficit round robin between groups (Shreedhar & Varghese, 1995), in units of a forward's cost.

    A group's turn is worth as much as the dearest group's forward, so that many small forwards of
    one weigh as much as one large forward of another. What a group leaves of its turn it keeps for
    the next one, as long as it has something to run.
    """

    def __init__(self) -> None:
        self._order: list[Group] = []
        self._credit: dict[Group, float] = {}

    def next(self, costs: Mapping[Group, float]) -> Group:
        """Of the groups that may run now, with the cost of their next forward (above 0)."""
        self._meet(costs)
        turn = max(costs.values())
        while True:
            for key in self._order:
                if self._credit[key] >= costs[key]:
                    self._credit[key] -= costs[key]
                    return key
            self._credit[self._order[0]] += turn
            self._order.append(self._order.pop(0))

    def _meet(self, costs: Mapping[Group, float]) -> None:
        """A group that ran out loses its credit; a new one waits for its turn behind the others."""
        kept = [key for key in self._order if key in costs]
        self._order = kept + [key for key in costs if key not in self._credit]
        self._credit = {key: self._credit.get(key, 0.0) for key in self._order}


class Floor:
    """What is put by for those whom a higher rank keeps from running, in units of a forward's cost.

    Put by while others run, spent by a forward of theirs. It opens when a whole forward is paid for
    and stays open while their share of the next one is: where they fill a forward it is one at a
    time, and whoever comes with a higher rank waits for that one at most.
    """

    def __init__(self) -> None:
        self.saved = 0.0
        self._open = False

    def due(self, whole: float, *, share: float) -> bool:
        """`whole` is the cost of the forward that they would run in, `share` their part of it."""
        self._open = self.saved >= whole * (share if self._open else 1.0)
        return self._open

    def ran(self, cost: float, *, share: float) -> None:
        """A forward of which they had that share, while some of them wait."""
        self.saved += cost * (FLOOR * (1 - share) - share)


def sharing(candidates: Sequence[Candidate], cap: Cap) -> dict[Group, list[int]]:
    """Places of those that run in each group's next forwards, of the groups that may run now: those
    with somebody of the best rank.

    At most its cap of rows in a group, but at least one trajectory; by rank, then first come.
    """
    best = min((one.rank for one in candidates), default=0)
    keys = dict.fromkeys(one.key for one in candidates if one.rank == best)
    return {key: _fill(candidates, _peers(candidates, key), rows=cap(key)) for key in keys}


def kept_from_running(
    candidates: Sequence[Candidate], shared: Mapping[Group, Sequence[int]]
) -> list[int]:
    """Those of a rank that has less than the floor of its group's rows: their line hardly moves.
    First come first, whatever the rank."""
    chosen = {place for own in shared.values() for place in own}
    moving = {line for own in shared.values() for line in _moving(candidates, own)}
    kept = [
        place
        for place, one in enumerate(candidates)
        if place not in chosen and (one.key, one.rank) not in moving
    ]
    return sorted(kept, key=lambda place: (candidates[place].arrived, place))


def _moving(candidates: Sequence[Candidate], places: Sequence[int]) -> list[tuple[Group, int]]:
    """Lines (a group and a rank) with their part of this forward."""
    rows: Counter[tuple[Group, int]] = Counter()
    for place in places:
        rows[candidates[place].key, candidates[place].rank] += candidates[place].rows
    return [line for line, own in rows.items() if own >= FLOOR * rows.total()]


def floor_forward(candidates: Sequence[Candidate], kept: Sequence[int], cap: Cap) -> list[int]:
    """Places of the forward that the floor pays for: the first of those kept from running, others of
    its group as they came, then whoever fits beside them."""
    if not kept:
        return []
    key = candidates[kept[0]].key
    first = [place for place in kept if candidates[place].key == key]
    others = [place for place in _peers(candidates, key) if place not in set(first)]
    return _fill(candidates, first + others, rows=cap(key))


def _peers(candidates: Sequence[Candidate], key: Group) -> list[int]:
    peers = [place for place, one in enumerate(candidates) if one.key == key]
    return sorted(
        peers, key=lambda place: (candidates[place].rank, candidates[place].arrived, place)
    )


def _fill(candidates: Sequence[Candidate], places: Iterable[int], *, rows: int) -> list[int]:
    """Taken in order while they fit; the first whatever it costs."""
    taken: list[int] = []
    for place in places:
        cost = candidates[place].rows
        if cost <= rows or not taken:
            taken.append(place)
            rows -= cost
    return sorted(taken)
