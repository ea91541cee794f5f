"""Months of an account: when they end and what each gives, whatever plans come and go."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.months import Month, due, later, months_between, period

T = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("months", "day"), [(0, (1, 31)), (1, (2, 28)), (2, (3, 31)), (3, (4, 30)), (13, (2, 28))]
)
def test_a_month_later_is_the_same_day_or_the_last(months: int, day: tuple[int, int]) -> None:
    there = later(T, months)
    assert ((there.month, there.day), there.hour) == (day, 12)
    assert months_between(T, there) == months
    assert months_between(T, there - timedelta(microseconds=1)) == months - 1


def test_the_first_month_gives_all_and_nothing_more_is_due_in_it() -> None:
    first = due(None, 900, T)
    assert first is not None
    assert (first.grant_ms, first.expires, first.month) == (900, False, Month(T, later(T, 1), 900))
    assert due(first.month, 900, T + timedelta(days=27)) is None
    assert due(first.month, 100, T + timedelta(days=3)) is None
    assert due(None, 0, T) is None


def test_a_month_that_is_over_is_followed_by_the_one_that_runs_now() -> None:
    turned = due(Month(T, later(T, 1), 900), 500, later(T, 3) + timedelta(days=2))
    assert turned is not None
    assert (turned.grant_ms, turned.expires) == (500, True)
    assert turned.begins == later(T, 3)
    assert turned.month == Month(T, later(T, 4), 500)


def test_a_greater_plan_begins_a_month_with_the_difference() -> None:
    at = T + timedelta(days=20)
    raised = due(Month(T, later(T, 1), 900), 54_000, at)
    assert raised is not None
    assert (raised.grant_ms, raised.expires, raised.begins) == (53_100, False, at)
    assert raised.month == Month(at, later(at, 1), 54_000)


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 15, 900, 1800]), st.timedeltas(timedelta(0), timedelta(40))),
        max_size=40,
    )
)
def test_switching_to_and_fro_gives_no_month_more_than_its_greatest_plan(
    stays: list[tuple[int, timedelta]],
) -> None:
    month, now, given_ms, greatest = None, T, 0, 0
    for entitled, stay in stays:
        turned = due(month, entitled, now)
        if turned is not None:
            if turned.expires:
                given_ms, greatest = 0, 0
            given_ms += turned.grant_ms
            month = turned.month
            assert now < month.ends
        greatest = max(greatest, entitled)
        if month is not None:
            assert given_ms == month.granted_ms <= greatest
            assert due(month, entitled, now) is None
        now += stay


def test_a_period_is_named_to_the_second() -> None:
    assert period(T) == "2026-01-31T12:00:00"
