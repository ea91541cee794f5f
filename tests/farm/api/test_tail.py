"""Which transitions are new, and which can have no older one come after them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from farm.api.tail import Tail
from shared.jobs import JobState
from shared.transitions import LONGEST_TRANSACTION_S, Look, Transition

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = UUID(int=1)


def seen(*numbers: int, oldest: int, coming: int) -> Look:
    beyond = [Transition(n, ONE, ONE, JobState.WAITING, 0, AT) for n in numbers]
    return Look(beyond, oldest, coming)


def numbers(told: tuple[Sequence[Transition], Sequence[Transition]]) -> tuple[list[int], list[int]]:
    fresh, settled = told
    return [one.id for one in fresh], [one.id for one in settled]


def test_when_nothing_else_runs_what_is_new_is_settled_at_once() -> None:
    tail = Tail(10)
    assert numbers(tail.look(seen(11, 12, oldest=500, coming=500), 0)) == ([11, 12], [11, 12])
    assert tail.floor == 12
    assert not tail.unsettled


def test_a_higher_number_waits_for_a_lower_one_that_may_still_come() -> None:
    tail = Tail(10)
    assert numbers(tail.look(seen(12, oldest=500, coming=502), 0)) == ([12], [])
    assert tail.unsettled
    assert numbers(tail.look(seen(11, 12, oldest=503, coming=503), 0)) == ([11], [11, 12])


def test_a_number_that_was_never_committed_holds_up_nobody() -> None:
    tail = Tail(10)
    tail.look(seen(12, oldest=500, coming=502), 0)
    assert numbers(tail.look(seen(12, oldest=502, coming=502), 0)) == ([], [12])


def test_what_runs_since_the_look_does_not_hold_up_what_was_seen_at_it() -> None:
    tail = Tail(10)
    tail.look(seen(11, oldest=500, coming=502), 0)
    assert numbers(tail.look(seen(11, 13, oldest=502, coming=509), 0)) == ([13], [11])
    assert tail.floor == 11
    assert numbers(tail.look(seen(12, 13, oldest=509, coming=509), 0)) == ([12], [12, 13])


def test_a_foreign_transaction_that_stays_open_holds_up_nobody_for_ever() -> None:
    tail = Tail(10)
    tail.look(seen(11, oldest=500, coming=502), 0)
    late = LONGEST_TRANSACTION_S + 1
    assert numbers(tail.look(seen(11, oldest=500, coming=600), late)) == ([], [11])
