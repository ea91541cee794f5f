"""How many rows are worth their wait: from measured forwards alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.engine.curve import ENOUGH, LEAST, Curve, bucket


def measured(ms_of: dict[int, float]) -> Curve:
    curve = Curve()
    for _ in range(ENOUGH):
        for rows, ms in ms_of.items():
            curve.saw(rows, ms)
    return curve


def test_nothing_measured_means_as_many_as_allowed() -> None:
    assert Curve().cap(32) == 32


def test_where_more_rows_are_cheaper_each_the_cap_stays_out_of_the_way() -> None:
    assert measured({4: 10, 8: 12, 16: 16, 32: 24}).cap(64) == 64


def test_where_they_no_longer_get_cheaper_the_forward_stays_short() -> None:
    assert measured({4: 10, 8: 14, 16: 28, 32: 56}).cap(64) == 8


def test_a_few_measurements_prove_nothing() -> None:
    curve = Curve()
    curve.saw(8, 10)
    curve.saw(16, 20)
    assert curve.cap(64) == 64


def test_two_guided_pictures_are_always_allowed() -> None:
    assert measured({1: 1, 2: 2, 4: 4}).cap(64) == LEAST


def test_memory_bounds_it_too() -> None:
    curve = Curve()
    curve.saw(4, 10, extra_bytes=400)
    assert curve.cap(64, free_bytes=1_000) == 10
    assert curve.cap(64, free_bytes=10) == 1


def test_a_cost_is_what_was_measured_nearest() -> None:
    curve = measured({4: 8, 32: 32})
    assert curve.cost(4) == pytest.approx(8)
    assert curve.cost(8) == pytest.approx(16)
    assert curve.cost(32) == pytest.approx(32)
    assert Curve().cost(7) == 7


@given(st.integers(1, 4096))
def test_a_bucket_is_the_next_power_of_two(rows: int) -> None:
    size = bucket(rows)
    assert rows <= size < 2 * rows
    assert size & (size - 1) == 0


@given(st.dictionaries(st.integers(1, 64), st.floats(0.1, 1e4)), st.integers(1, 64))
def test_a_cap_is_never_above_what_is_allowed_nor_below_one(
    ms_of: dict[int, float], most: int
) -> None:
    assert 1 <= measured(ms_of).cap(most) <= most
