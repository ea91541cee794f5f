"""The terms of a submission, which headers say: its name, how long to wait for it, when it is too late."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header

from shared.errors import Refusal

USUAL_WAIT_S, LONGEST_WAIT_S = 60.0, 60.0
SOONEST_S, LATEST_S = 5.0, 24 * 3_600.0
_WAIT = re.compile(r"\s*wait(?:\s*=\s*\"?([0-9]{1,6})\"?)?\s*", re.IGNORECASE)
_SPAN = re.compile(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds; no wait: the answer comes at once."""

    key: str | None = None
    wait_s: float | None = None
    cancel_after_s: float | None = None


def terms(
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="Sent again with the same body it gives the first job; with another, 409.",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(description="`wait` or `wait=<seconds>`: the answer comes when it is done."),
    ] = None,
    cancel_after: Annotated[
        str | None,
        Header(
            alias="Cancel-After",
            description="`90s`, `1m` or `1h30m`: cancelled unless it is done by then; 5 s to 24 h.",
        ),
    ] = None,
) -> Terms:
    """Refusal `invalid_value`."""
    return Terms(key, wait_of(prefer), span_of(cancel_after))


def wait_of(prefer: str | None) -> float | None:
    """Other preferences are none of ours (RFC 7240), and a long wait is cut."""
    for one in (prefer or "").split(","):
        if wanted := _WAIT.fullmatch(one):
            return min(float(wanted[1] or USUAL_WAIT_S), LONGEST_WAIT_S)
    return None


def span_of(text: str | None) -> float | None:
    """Seconds."""
    if text is None:
        return None
    parts = _SPAN.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in (parts.groups() if parts else "000"))
    span = hours * 3_600 + minutes * 60 + seconds
    if parts is None or not SOONEST_S <= span <= LATEST_S:
        sentence = "Cancel-After is 5 seconds to 24 hours, like 90s, 1m or 1h30m."
        raise Refusal("invalid_value", sentence, field="Cancel-After")
    return span


Termed = Annotated[Terms, Depends(terms)]
