"""What to try next when the device has no memory left, and when to try for more again. Pure."""

from dataclasses import dataclass, replace
from enum import IntEnum

from shared.errors import Fault

GOOD_STEPS = 200  # without trouble, before one rung is climbed down again
LONGEST_WAIT = 64  # times that: each fall back doubles it


class Rung(IntEnum):
    """From what costs least to what costs most."""

    WHOLE = 0
    SPLIT = 1  # fewer rows in a forward
    TILED = 2  # the VAE works in tiles
    OFFLOADED = 3  # text encoders wait on the host
    HAND_BACK = 4  # to a larger GPU


@dataclass(frozen=True, slots=True)
class Stand:
    """`rows` caps a forward (None: no cap); `wait` multiplies GOOD_STEPS, 0 before any trouble.

    `falling`: nothing has gone well since the last trouble.
    """

    rung: Rung = Rung.WHOLE
    rows: int | None = None
    good: int = 0
    wait: int = 0
    falling: bool = False


def after_oom(stand: Stand, rows: int, *, splits: bool = True) -> tuple[Stand, Rung]:
    """What to do about a forward of `rows` that did not fit, and where that leaves us.

    `splits` is false where fewer rows would not help: a decoder that already works one by one.
    Handing a job back is the answer to that job: the ladder stays where it is for the others.
    """
    wait = stand.wait if stand.falling else min(LONGEST_WAIT, stand.wait * 2 or 1)
    least = max(stand.rung, Rung.SPLIT)
    if splits and rows > 1:
        return Stand(least, rows // 2, wait=wait, falling=True), Rung.SPLIT
    answer = Rung(least + 1)
    cap = 1 if splits else stand.rows
    return Stand(min(answer, Rung.OFFLOADED), cap, wait=wait, falling=True), answer


def after_good_step(stand: Stand) -> Stand:
    if stand.rung is Rung.WHOLE:
        return stand
    if stand.good + 1 < GOOD_STEPS * stand.wait:
        return replace(stand, good=stand.good + 1, falling=False)
    return _down(stand)


def _down(stand: Stand) -> Stand:
    rung = Rung(stand.rung - 1)
    rows = None if rung is Rung.WHOLE or stand.rows is None else stand.rows * 2
    return Stand(rung, rows, wait=stand.wait)


class Ladder:
    """Where an engine stands. It asks `rows` before a forward, and tells how each one went."""

    def __init__(self) -> None:
        self.stand = Stand()

    @property
    def rung(self) -> Rung:
        return self.stand.rung

    @property
    def rows(self) -> int | None:
        """At most so many in a forward; None while there is no need for a cap."""
        return self.stand.rows

    def after_oom(self, rows: int, *, splits: bool = True) -> Rung:
        self.stand, answer = after_oom(self.stand, rows, splits=splits)
        return answer

    def after_good_step(self) -> Rung:
        self.stand = after_good_step(self.stand)
        return self.stand.rung


def handed_back(name: str) -> Fault:
    """One row alone, in tiles and with the text encoders away, is still too much."""
    sentence = (
        f"A picture of {name} does not fit into this device's memory, not even alone and in parts. "
        "Use a larger GPU or a smaller size."
    )
    return Fault("too_large_for_device", sentence, retryable=True)
