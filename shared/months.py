"""Months of an account: when one ends, when the next begins, and what each gives. Pure.

An account's months are counted from its anchor. What a month gave and was not used ends with it. A plan that
gives more than this month gave begins a month of its own: the difference is added, what is left goes along.
So nothing is given twice by switching to and fro: within a month only what is above its highest is given.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Month:
    """The running month: counted from `anchor`, over at `ends`, and `granted_ms` is what it gave in all."""

    anchor: datetime
    ends: datetime
    granted_ms: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What is due: the month from now on, what it is given more, and whether what is left is gone."""

    month: Month
    begins: datetime
    grant_ms: int
    expires: bool


def due(month: Month | None, entitled_ms: int, now: datetime) -> Turn | None:
    """What an account whose plan gives `entitled_ms` each month is due now; None: nothing."""
    if month is None:
        return _fresh(entitled_ms, now, entitled_ms) if entitled_ms else None
    if now >= month.ends:
        passed = months_between(month.anchor, now)
        ends = later(month.anchor, passed + 1)
        turned = Month(month.anchor, ends, entitled_ms)
        return Turn(turned, later(month.anchor, passed), entitled_ms, expires=True)
    more = entitled_ms - month.granted_ms
    return _fresh(entitled_ms, now, more) if more > 0 else None


def later(anchor: datetime, months: int) -> datetime:
    """The same day so many months later, or the last of that month: 31 January, 28 February, 31 March."""
    at = anchor.astimezone(UTC)
    index = at.year * 12 + at.month - 1 + months
    year, month = divmod(index, 12)
    day = min(at.day, monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day)


def months_between(anchor: datetime, now: datetime) -> int:
    """Whole months that have passed since."""
    since, at = anchor.astimezone(UTC), now.astimezone(UTC)
    guess = (at.year - since.year) * 12 + at.month - since.month
    return guess if later(anchor, guess) <= at else guess - 1


def period(begins: datetime) -> str:
    """How a month is named in the key of what it gave."""
    return f"{begins.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _fresh(entitled_ms: int, now: datetime, grant_ms: int) -> Turn:
    return Turn(Month(now, later(now, 1), entitled_ms), now, grant_ms, expires=False)
