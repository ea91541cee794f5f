"""Who runs in the next forward. Pure: lists in, choices out; no torch, no clock."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

# A trajectory parked for this many forwards is overdue, whatever its rank.
PATIENCE = 32
# Overdue ones may take this part of a forward before the ranks are served, so a higher rank still
# joins at the very next step and a lower one never starves.
OVERDUE_SHARE = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory that has steps left. Only those with the same `key` may share a forward."""

    key: Hashable
    rank: int
    arrived: int
    rows: int
    parked: int = 0


def choose(candidates: Sequence[Candidate], *, rows: int) -> list[int]:
    """Places of those that run next: one key, at most `rows` rows (but always at least one of them)."""
    if not candidates:
        return []
    overdue = _overdue(candidates)
    by_rank = sorted(range(len(candidates)), key=lambda place: _turn(candidates[place], place))
    key = candidates[(overdue or by_rank)[0]].key
    peers = [place for place in by_rank if candidates[place].key == key]
    first = [place for place in overdue if candidates[place].key == key]
    kept = _fit(first, candidates, rows=max(1, rows // OVERDUE_SHARE))
    rest = (place for place in peers if place not in kept)
    return sorted(kept + _fit(rest, candidates, rows=rows - _sum(kept, candidates), more=not kept))


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
