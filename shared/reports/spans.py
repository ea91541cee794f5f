"""What stretch of time a report is about: half-open, in UTC, from a day, a moment or a month. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from shared.errors import Refusal

_MONTH = re.compile(r"(\d{4})-(\d{2})")
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)  # Discord is from that year: before it nothing was
LONGEST_DAYS = 3_660
OPTIONS = "--from", "--to"


@dataclass(frozen=True, slots=True)
class Span:
    """`since` is in it, `until` is not."""

    since: datetime
    until: datetime

    def days(self) -> list[date]:
        """Every day that it touches."""
        last = (self.until - timedelta(microseconds=1)).date()
        count = (last - self.since.date()).days + 1
        return [self.since.date() + timedelta(days=number) for number in range(count)]

    def __str__(self) -> str:
        return f"{_told(self.since)} to {_told(self.until)} (UTC, without the end)"


def span_of(
    since: str | None, until: str | None, *, now: datetime, named: tuple[str, str] = OPTIONS
) -> Span:
    """Left out: from the beginning of this month, to now. Refusal that names the option, as it is `named`."""
    first, last = named
    end = now if until is None else moment(until, last)
    begin = end_of_last_month(end) if since is None else moment(since, first)
    if begin >= end:
        sentence = (
            f"{first} ({_told(begin)}) must be before {last} ({_told(end)}); {last} is not in it."
        )
        raise Refusal("bad_span", sentence, field=first)
    if end - begin > timedelta(days=LONGEST_DAYS):
        raise Refusal("bad_span", "A report is of ten years at most.", field=first)
    return Span(begin, end)


def moment(words: str, option: str) -> datetime:
    """`2026-11-30`, its first moment, or `2026-11-30T12:00`, in UTC where no zone is said."""
    try:
        told = datetime.fromisoformat(words.strip())
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = f"{option} {words[:40]!r} is no moment. Write 2026-11-30 or 2026-11-30T12:00."
        raise Refusal("bad_moment", sentence, field=option) from None
    if told < EARLIEST or told.year > 9000:
        sentence = f"{option} {words[:40]!r} lies before {EARLIEST.year} or too far ahead."
        raise Refusal("bad_moment", sentence, field=option)
    return told


def month_of(words: str, option: str = "--month") -> Span:
    """`2026-11`, all of it."""
    found = _MONTH.fullmatch(words.strip())
    if found is None or not 1 <= int(found[2]) <= 12 or not EARLIEST.year <= int(found[1]) <= 9000:
        sentence = f"{option} {words[:40]!r} is no month. Write it as 2026-11."
        raise Refusal("bad_month", sentence, field=option)
    first = date(int(found[1]), int(found[2]), 1)
    return Span(_midnight(first), _midnight(month_after(first)))


def month_name(span: Span) -> str:
    return f"{span.since:%Y-%m}"


def end_of_last_month(moment: datetime) -> datetime:
    """Of what ends at this moment: on a first at midnight, the beginning of the month before."""
    return _midnight((moment - timedelta(microseconds=1)).date().replace(day=1))


def month_after(day: date, months: int = 1) -> date:
    """The same day so many months later, or that month's last."""
    month = day.year * 12 + day.month - 1 + months
    first = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return first.replace(day=min(day.day, (following - timedelta(days=1)).day))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%dT%H:%M:%S}"
