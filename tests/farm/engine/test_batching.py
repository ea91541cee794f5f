from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.batching import PATIENCE, Candidate, Turns, sharing


def choose(candidates: list[Candidate], *, rows: int, turns: Turns | None = None) -> list[int]:
    """Places in the next forward, when a forward costs as much as it has rows."""
    groups = sharing(candidates, lambda _: rows)
    if not groups:
        return []
    costs = {key: sum(candidates[p].rows for p in own) for key, own in groups.items()}
    return groups[(turns or Turns()).next(costs)]


def one(**changes: object) -> Candidate:
    plain: dict[str, object] = {"key": "a", "rank": 1, "arrived": 0, "rows": 2, "parked": 0}
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


def test_an_overdue_one_gets_a_part_but_a_higher_rank_still_joins() -> None:
    turbo = [one(rank=0, arrived=place) for place in range(8)]
    waiting = [one(rank=2, parked=PATIENCE + place) for place in range(3)]
    chosen = choose(turbo + waiting, rows=16)
    assert chosen == [0, 1, 2, 3, 4, 5, 6, 10]


def test_an_overdue_one_of_another_key_gets_its_turn() -> None:
    turns, both = Turns(), [one(rank=0), one(key="b", rank=2, parked=PATIENCE)]
    served = [choose(both, rows=16, turns=turns) for _ in range(2)]
    assert sorted(served) == [[0], [1]]


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


candidates = st.lists(
    st.builds(
        Candidate,
        key=st.sampled_from("ab"),
        rank=st.integers(0, 2),
        arrived=st.integers(0, 5),
        rows=st.integers(1, 2),
        parked=st.integers(0, 80),
    ),
    max_size=24,
)


@given(candidates, st.integers(1, 16))
def test_a_choice_is_never_mixed_over_the_cap_empty_or_twice(
    all_of_them: list[Candidate], rows: int
) -> None:
    chosen = choose(all_of_them, rows=rows)
    picked = [all_of_them[place] for place in chosen]
    assert bool(picked) == bool(all_of_them)
    assert len({one.key for one in picked}) <= 1
    assert len(set(chosen)) == len(chosen)
    assert len(picked) == 1 or sum(one.rows for one in picked) <= rows


@given(candidates, st.integers(2, 16))
def test_nobody_starves(all_of_them: list[Candidate], rows: int) -> None:
    """Turbo that never ends, and yet each of the others runs within a bounded number of forwards."""
    flood = [Candidate("a", 0, 0, 2) for _ in range(12)]
    everyone = flood + all_of_them
    parked = [one.parked for one in everyone]
    seen: set[int] = set()
    turns = Turns()
    for _ in range(3 * PATIENCE + 4 * len(everyone)):
        now = [
            Candidate(one.key, one.rank, one.arrived, one.rows, waited)
            for one, waited in zip(everyone, parked, strict=True)
        ]
        chosen = set(choose(now, rows=rows, turns=turns))
        seen |= chosen
        parked = [0 if place in chosen else waited + 1 for place, waited in enumerate(parked)]
    assert seen == set(range(len(everyone)))
