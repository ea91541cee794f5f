"""What a waiting job may know: its place, when it starts and ends, and why it waits; and how people
read that. Pure.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

_MINUTE, _HOUR = 60, 3600
_COARSE_FROM = 20  # seconds from which on nobody reads single ones


@dataclass(frozen=True, slots=True)
class Outlook:
    """`position` counts from 1; `start_s` is seconds until a GPU takes it on, `eta_s` until its
    picture, which is likely to come between `eta_low_s` and `eta_high_s`. None where nobody can say.
    """

    job_id: UUID
    position: int | None
    start_s: float | None
    eta_s: float | None
    eta_low_s: float | None
    eta_high_s: float | None
    reason: str
    checkpoint: str = ""


class Told(Protocol):
    """What an Outlook and its event have in common."""

    @property
    def position(self) -> int | None: ...
    @property
    def eta_s(self) -> float | None: ...
    @property
    def eta_low_s(self) -> float | None: ...
    @property
    def eta_high_s(self) -> float | None: ...
    @property
    def reason(self) -> str | None: ...


def place_and_time(told: Told) -> str:
    """`Position 3 · about 2 to 4 min`, or what of it is known."""
    place = f"Position {told.position}" if told.position else ""
    return " · ".join(part for part in (place, how_long(told)) if part)


def how_long(told: Told) -> str:
    """The range where there is one, else the single guess, else nothing."""
    if told.eta_low_s is not None and told.eta_high_s is not None:
        return about(told.eta_low_s, told.eta_high_s)
    return "" if told.eta_s is None else about(told.eta_s, told.eta_s)


def about(low_s: float, high_s: float) -> str:
    """In one unit, and no finer than anybody knows: `about 2 to 4 min`, `about 30 s`, `up to 1 h`."""
    high_s = max(high_s, 1.0)
    low, high, unit = _in_one_unit(min(max(low_s, 0.0), high_s), high_s)
    if low == 0:
        return f"up to {high} {unit}"
    return f"about {high} {unit}" if low == high else f"about {low} to {high} {unit}"


def _in_one_unit(low_s: float, high_s: float) -> tuple[int, int, str]:
    if high_s < 1.5 * _MINUTE:
        return _seconds(low_s), _seconds(high_s), "s"
    if high_s < 1.5 * _HOUR:
        return round(low_s / _MINUTE), round(high_s / _MINUTE), "min"
    return round(low_s / _HOUR), round(high_s / _HOUR), "h"


def _seconds(seconds: float) -> int:
    return 5 * round(seconds / 5) if seconds >= _COARSE_FROM else round(seconds)
