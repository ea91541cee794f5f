"""Whose fault it was decides what becomes of a job that its worker could not finish. Pure."""

from enum import StrEnum

from shared.errors import Fault

# The job is as good as before: what it needs was away. It waits again, and nothing is counted.
OUTAGES = frozenset({"storage_down", "database_down", "database_busy"})
# Another try may well succeed: each is one more crash, and after five the job fails.
TRANSIENT = frozenset(
    {
        "engine_gone",
        "no_cell",
        "no_room_yet",
        "not_marked",
        "not_signed",
        "out_of_memory",
        "render_failed",
        "too_large_for_device",
    }
)
# A store that answers but takes nothing looks like an outage for ever: somewhere it must end.
MOST_OUTAGES = 10


class Then(StrEnum):
    GIVE_BACK = "give back"
    CRASH = "crash"
    FAIL = "fail"


def verdict(fault: Fault, *, attempt: int, crashes: int) -> Then:
    """`attempt` counts from 1. What nobody has listed may pass once, and only once."""
    if not fault.retryable:
        return Then.FAIL
    if fault.code in OUTAGES:
        return Then.GIVE_BACK if attempt < MOST_OUTAGES else Then.FAIL
    return Then.CRASH if fault.code in TRANSIENT or crashes == 0 else Then.FAIL
