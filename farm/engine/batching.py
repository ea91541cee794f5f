"""Who runs in the next forward. Pure: lists in, choices out; no torch, no clock."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# A trajectory parked for this many forwards is overdue, whatever its rank.
PATIENCE = 32
# Overdue ones may take this part of a forward before the ranks are served, so a higher rank still
# joins at the very next step and a lower one never starves.
OVERDUE_SHARE = 8

Group = Hashable
Cap = Callable[[Group], int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory that has steps left. Only those with the same `key` may share a forward."""

    key: Group
    rank: int
    arrived: int
    rows: int
    parked: int = 0


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


def sharing(candidates: Sequence[Candidate], cap: Cap) -> dict[Group, list[int]]:
    """Places of those that run in each group's next forwards, of the groups that may run now.

    At most its cap of rows in a group, but at least one trajectory.
    """
    return {key: fill(candidates, key=key, rows=cap(key)) for key in _eligible(candidates)}


def fill(candidates: Sequence[Candidate], *, key: Group, rows: int) -> list[int]:
    """Of one group: a small share for the overdue, then by rank and arrival, while they fit."""
    peers = [place for place, one in enumerate(candidates) if one.key == key]
    by_rank = sorted(peers, key=lambda place: _turn(candidates[place], place))
    overdue = [place for place in _overdue(candidates) if candidates[place].key == key]
    kept = _fit(overdue, candidates, rows=max(1, rows // OVERDUE_SHARE))
    rest = (place for place in by_rank if place not in kept)
    return sorted(kept + _fit(rest, candidates, rows=rows - _sum(kept, candidates), more=not kept))


def _eligible(candidates: Sequence[Candidate]) -> list[Group]:
    """Groups with somebody of the best rank, or with somebody overdue."""
    best = min((one.rank for one in candidates), default=0)
    return list(
        dict.fromkeys(one.key for one in candidates if one.rank == best or one.parked >= PATIENCE)
    )


def _overdue(candidates: Sequence[Candidate]) -> list[int]:
    places = [place for place, one in enumerate(candidates) if one.parked >= PATIENCE]
    return sorted(places, key=lambda place: -candidates[place].parked)


def _turn(one: Candidate, place: int) -> tuple[int, int, int]:
    return one.rank, one.arrived, place


def _fit(
    places: Iterable[int], candidates: Sequence[Candidate], *, rows: int, more: bool = True
) -> list[int]:
    """Take in order while they fit; the first is taken whatever it costs if `more`."""
    taken: list[int] = []
    for place in places:
        cost = candidates[place].rows
        if cost <= rows or (more and not taken):
            taken.append(place)
            rows -= cost
    return taken


def _sum(places: Iterable[int], candidates: Sequence[Candidate]) -> int:
    return sum(candidates[place].rows for place in places)
