"""Stretches of time are half-open and in UTC; what is no moment is refused by the option's name."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Refusal
from shared.reports.spans import Span, moment, month_after, month_of, span_of

NOW = datetime(2026, 11, 30, 22, 15, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)


def test_left_out_it_is_this_month_so_far() -> None:
    assert span_of(None, None, now=NOW) == Span(FIRST, NOW)
    assert span_of(None, "2026-11-01", now=NOW) == Span(FIRST - timedelta(days=31), FIRST)


def test_days_and_moments_are_in_utc() -> None:
    span = span_of("2026-11-01", "2026-11-03T01:00+02:00", now=NOW)
    assert span == Span(FIRST, datetime(2026, 11, 2, 23, tzinfo=UTC))
    assert span.days() == [date(2026, 11, 1), date(2026, 11, 2)]
    assert str(Span(FIRST, NOW)).startswith("2026-11-01 to 2026-11-30T22:15:00 (UTC")


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        ("yesterday", None, "--from"),
        ("2026-02-30", None, "--from"),
        ("", None, "--from"),
        ("0001-01-01T00:00+14:00", None, "--from"),
        ("2026-11-01", "2026-11", "--to"),
        ("2026-11-02", "2026-11-02", "--from"),
        ("2026-11-03", "2026-11-02", "--from"),
        ("2015-06-01", "2026-11-02", "--from"),
        ("2027-01-01", None, "--from"),
    ],
)
def test_what_is_no_stretch_is_refused_by_its_option(
    since: str | None, until: str | None, field: str
) -> None:
    with pytest.raises(Refusal) as refused:
        span_of(since, until, now=NOW)
    assert refused.value.field == field
    assert field in refused.value.sentence or "ten years" in refused.value.sentence


@pytest.mark.parametrize("words", ["2026", "2026-13", "2026-00", "26-11", "2026-1", "1999-01", "x"])
def test_what_is_no_month_is_refused(words: str) -> None:
    with pytest.raises(Refusal, match="is no month"):
        month_of(words)


@given(st.dates(date(2015, 1, 1), date(2100, 1, 1)))
def test_months_touch_and_hold_their_days(day: date) -> None:
    this = month_of(f"{day:%Y-%m}")
    following = month_of(f"{month_after(day.replace(day=1)):%Y-%m}")
    assert this.until == following.since
    assert this.since <= datetime(day.year, day.month, day.day, tzinfo=UTC) < this.until
    assert len(this.days()) in (28, 29, 30, 31)


@given(st.dates(date(2015, 1, 1), date(2100, 1, 1)), st.integers(0, 600))
def test_so_many_months_later_is_the_same_day_or_the_last(day: date, months: int) -> None:
    later = month_after(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (later.day < day.day and month_after(later, 0) == later)


def test_a_moment_has_a_zone() -> None:
    assert moment(" 2026-11-01 ", "--from") == FIRST
