from collections.abc import Hashable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.engine.batching import (
    FLOOR,
    Candidate,
    Floor,
    Turns,
    floor_forward,
    kept_from_running,
    sharing,
)


def choose(candidates: list[Candidate], *, rows: int, turns: Turns | None = None) -> list[int]:
    """Places in the next forward, when a forward costs as much as it has rows."""
    groups = sharing(candidates, lambda _: rows)
    if not groups:
        return []
    costs = {key: sum(candidates[p].rows for p in own) for key, own in groups.items()}
    return groups[(turns or Turns()).next(costs)]


def one(**changes: object) -> Candidate:
    plain: dict[str, object] = {"key": "a", "rank": 1, "arrived": 0, "rows": 2}
    return Candidate(**(plain | changes))  # type: ignore[arg-type]


def test_nothing_to_do() -> None:
    assert choose([], rows=16) == []


def test_several_jobs_share_a_forward_up_to_the_cap() -> None:
    many = [one(arrived=place // 4) for place in range(12)]
    assert choose(many, rows=16) == list(range(8))


def test_rows_without_guidance_cost_one() -> None:
    assert choose([one(rows=1) for _ in range(20)], rows=16) == list(range(16))


def test_a_small_one_fills_the_gap_a_big_one_leaves() -> None:
    assert choose([one(), one(rows=2, arrived=1), one(rows=1, arrived=2)], rows=3) == [0, 2]


def test_a_higher_rank_goes_first_however_late_it_comes() -> None:
    relaxed = [one(rank=2, arrived=place) for place in range(8)]
    turbo = [one(rank=0, arrived=99) for _ in range(4)]
    assert choose(relaxed + turbo, rows=16) == [0, 1, 2, 3, 8, 9, 10, 11]


def test_only_one_key_shares_a_forward() -> None:
    mixed = [one(key="a"), one(key="b", arrived=1), one(key="a", arrived=2)]
    assert choose(mixed, rows=16) == [0, 2]


def test_the_first_runs_even_if_it_is_larger_than_the_cap() -> None:
    assert choose([one(rows=2), one(rows=2)], rows=1) == [0]


def test_rows_are_taken_from_the_lowest_rank_and_of_it_from_the_last_that_came() -> None:
    full = [
        *(one(rank=1, arrived=place) for place in (4, 5)),
        *(one(rank=2, arrived=place) for place in (0, 1, 2, 3)),
    ]
    assert choose(full, rows=12) == [0, 1, 2, 3, 4, 5]
    assert choose([*full, one(rank=0, arrived=9)], rows=12) == [0, 1, 2, 3, 4, 6]
    turbo = [one(rank=0, arrived=9 + place) for place in range(5)]
    assert choose([*full, *turbo], rows=12) == [0, 6, 7, 8, 9, 10], "fast gives way after relax"


def test_a_lower_rank_of_another_key_waits() -> None:
    turns, both = Turns(), [one(rank=0), one(key="b", rank=2)]
    assert [choose(both, rows=16, turns=turns) for _ in range(4)] == [[0]] * 4


# --- turns of groups -------------------------------------------------------------------------


def served(costs: dict[Hashable, float], forwards: int) -> dict[Hashable, float]:
    """What each group got, in units of cost."""
    turns, got = Turns(), dict.fromkeys(costs, 0.0)
    for _ in range(forwards):
        key = turns.next(costs)
        got[key] += costs[key]
    return got


def test_groups_share_the_device_and_not_the_forwards() -> None:
    """A large forward of one weighs as much as many small ones of another."""
    got = served({"small": 1.0, "large": 10.0}, forwards=440)
    assert got["small"] == pytest.approx(got["large"], rel=0.05)


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 50), min_size=2))
def test_no_group_falls_behind_by_more_than_two_of_the_largest_forwards(
    costs: dict[Hashable, float],
) -> None:
    got = served(costs, forwards=300)
    assert max(got.values()) - min(got.values()) <= 2 * max(costs.values()) + 1e-6


def test_a_newcomer_waits_for_one_turn_of_the_others() -> None:
    turns = Turns()
    for _ in range(50):
        turns.next({"old": 1.0})
    order = [str(turns.next({"old": 1.0, "new": 1.0})) for _ in range(4)]
    assert sorted(order) == ["new", "new", "old", "old"]


def test_a_group_that_ran_out_keeps_no_credit() -> None:
    turns = Turns()
    turns.next({"a": 1.0, "b": 10.0})
    turns.next({"b": 10.0})
    order = [turns.next({"a": 1.0, "b": 1.0}) for _ in range(6)]
    assert order.count("a") == 3


# --- what lower ranks keep ---------------------------------------------------------------------


def kept(candidates: list[Candidate], *, rows: int) -> tuple[list[int], list[int]]:
    """Who is kept from running, and the forward that the floor would pay for."""
    groups = sharing(candidates, lambda _: rows)
    found = kept_from_running(candidates, groups)
    return found, floor_forward(candidates, found, lambda _: rows)


def test_a_line_that_moves_needs_no_floor() -> None:
    """Relax has two of the rows that turbo leaves: its others come when these have ended."""
    relaxed = [one(rank=2, arrived=place) for place in range(4)]
    assert kept([one(rank=0), *relaxed], rows=4) == ([], [])


def test_a_line_that_does_not_is_first_come_first_whatever_its_rank() -> None:
    turbo = [one(rank=0, arrived=place) for place in range(8, 12)]
    relaxed = [one(rank=2, arrived=place) for place in range(2)]
    fast = [one(rank=1, arrived=5)]
    assert kept([*turbo, *fast, *relaxed], rows=8) == ([5, 6, 4], [0, 4, 5, 6])


def test_its_forward_is_of_one_group_and_filled_with_who_fits_beside() -> None:
    turbo = [one(rank=0, arrived=9), one(rank=0, arrived=9)]
    others = [one(key="b", rank=2, arrived=0), one(rank=2, arrived=1), one(key="b", rank=2)]
    assert kept([*turbo, *others], rows=4) == ([2, 4, 3], [2, 4])


def test_a_whole_forward_is_saved_up_before_it_is_spent() -> None:
    floor, forwards = Floor(), 0
    while not floor.due(10.0, share=1.0):
        floor.ran(10.0, share=0.0)
        forwards += 1
    assert forwards == 1 / FLOOR
    floor.ran(10.0, share=1.0)
    assert not floor.due(10.0, share=1.0)


def test_a_small_share_of_a_forward_lasts_for_many() -> None:
    """Who runs changes seldom, since each change costs: saved for sixteen, spent in about as many."""
    floor, opened = Floor(), list[bool]()
    for _ in range(200):
        opened.append(floor.due(1.0, share=0.125))
        floor.ran(1.0, share=0.125 if opened[-1] else 0.0)
    changes = sum(before != after for before, after in pairwise(opened))
    assert 0.4 < sum(opened) / len(opened) < 0.6
    assert changes <= 2 * 200 / 28


class Loop:
    """The order of forwards as the engine keeps it, for trajectories of given lengths."""

    def __init__(self, cap: int) -> None:
        self.cap, self.turns, self.floor = cap, Turns(), Floor()
        self.running: dict[int, tuple[Candidate, int]] = {}  # with the forwards left
        self.rows = {0: 0, 1: 0, 2: 0}
        self.numbers = 0

    def add(self, key: str, rank: int, *, steps: int, rows: int = 2) -> int:
        self.numbers += 1
        one = Candidate(key, rank, arrived=self.numbers, rows=rows)
        self.running[self.numbers] = (one, steps)
        return self.numbers

    def step(self) -> set[int]:
        names, those = list(self.running), [one for one, _ in self.running.values()]
        groups = sharing(those, lambda _: self.cap)
        behind = kept_from_running(those, groups)
        batch = floor_forward(those, behind, lambda _: self.cap)
        share = self._share(those, batch, behind)
        if not batch or not self.floor.due(self._cost(those, batch), share=share):
            costs = {key: self._cost(those, own) for key, own in groups.items()}
            batch = groups[self.turns.next(costs)]
        if behind:
            self.floor.ran(self._cost(those, batch), share=self._share(those, batch, behind))
        ran = {names[place] for place in batch}
        for name in ran:
            one, left = self.running.pop(name)
            self.rows[one.rank] += one.rows
            if left > 1:
                self.running[name] = (one, left - 1)
        return ran

    @staticmethod
    def _cost(those: list[Candidate], batch: list[int]) -> float:
        return float(sum(those[place].rows for place in batch))

    def _share(self, those: list[Candidate], batch: list[int], behind: list[int]) -> float:
        rows = sum(those[place].rows for place in batch if place in behind)
        return rows / self._cost(those, batch) if batch else 0.0


loads = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 2), st.integers(1, 12), st.integers(1, 2)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(loads, st.integers(2, 16), st.sampled_from(["a", "ab", "d"]), st.integers(1, 5))
def test_everybody_finishes_under_turbo_that_never_ends(
    load: list[tuple[str, int, int, int]], cap: int, keys: str, steps: int
) -> None:
    """Turbo of one group or two, of short jobs or longer ones, always more than fits."""
    loop = Loop(cap)
    lower = {loop.add(key, rank, steps=left, rows=rows) for key, rank, left, rows in load}
    work = sum(left for _, _, left, _ in load)
    # A forward of theirs costs at most `cap`, or 2; a forward of turbo's at least 1, and a 16th is saved.
    for _ in range(20 * work * (max(cap, 2) + 1)):
        while sum(one.rank == 0 for one, _ in loop.running.values()) < cap * len(keys):
            for key in keys:
                loop.add(key, 0, steps=steps)
        loop.step()
        if not lower & loop.running.keys():
            return
    raise AssertionError(f"{len(lower & loop.running.keys())} of {len(lower)} never finished")


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 32), st.sampled_from(["a", "b"]), st.integers(1, 2))
def test_relax_keeps_a_twentieth_under_turbo_that_never_ends(cap: int, key: str, rows: int) -> None:
    """With rows enough for a forward: in turbo's own group, and in another."""
    loop = Loop(cap)
    for _ in range(2 * cap):
        loop.add(key, 2, steps=10**6, rows=rows)
    for _ in range(400):
        while sum(one.rank == 0 for one, _ in loop.running.values()) < cap:
            loop.add("a", 0, steps=3)
        loop.step()
    share = loop.rows[2] / sum(loop.rows.values())
    gap = 1 / cap if key == "a" else 0.0  # a row that turbo, two rows each, cannot fill
    assert 0.05 <= share <= 0.08 + gap


@settings(deadline=None)
@given(loads, st.integers(4, 16), st.lists(st.integers(1, 40), min_size=1, max_size=20), st.data())
def test_whoever_comes_with_a_higher_rank_runs_within_two_forwards(
    load: list[tuple[str, int, int, int]], cap: int, pauses: list[int], data: st.DataObject
) -> None:
    loop = Loop(cap)
    for key, rank, _, rows in load * 3:
        loop.add(key, rank, steps=10**6, rows=rows)
    for pause in pauses:
        for _ in range(pause):
            loop.step()
        newcomer = loop.add(
            data.draw(st.sampled_from("abd")), 0, steps=data.draw(st.integers(1, 9))
        )
        assert newcomer in loop.step() | loop.step()
        while newcomer in loop.running:
            loop.step()


candidates = st.lists(
    st.builds(
        Candidate,
        key=st.sampled_from("ab"),
        rank=st.integers(0, 2),
        arrived=st.integers(0, 5),
        rows=st.integers(1, 2),
    ),
    max_size=24,
)


@given(candidates, st.integers(1, 16))
def test_a_choice_is_never_mixed_over_the_cap_empty_or_twice(
    all_of_them: list[Candidate], rows: int
) -> None:
    _, floored = kept(all_of_them, rows=rows)
    chosen = choose(all_of_them, rows=rows)
    assert bool(chosen) == bool(all_of_them)
    for places in filter(None, (chosen, floored)):
        picked = [all_of_them[place] for place in places]
        assert len({one.key for one in picked}) == 1
        assert len(set(places)) == len(places)
        assert len(picked) == 1 or sum(one.rows for one in picked) <= rows
