"""Which worker takes which kind of job."""

from typing import Any

import pytest

from farm.placement import Kind, Seats, Worker
from shared.plans import Speed

WARM, COLD = frozenset({"postcards"}), frozenset({"other"})
GIB = 2**30
NOTHING: dict[Speed, int] = {}


def kind(speed: Speed = Speed.FAST, *, vram: int = 0, alone: bool = False) -> Kind:
    return Kind("postcards", vram, alone, speed)


def a_worker(name: str = "gpu", *, slots: int = 4, **fields: Any) -> Worker:
    return Worker(name, slots, **fields)


def names(seats: Seats, wanted: Kind, *, push: bool = False) -> set[str]:
    return {worker.name for worker in seats.takers(wanted, push=push)}


def test_the_full_and_the_leaving_take_nothing() -> None:
    full = a_worker("full", slots=2, busy={Speed.FAST: 2})
    leaving = a_worker("leaving", draining=True)
    seats = Seats([full, leaving], reserved=NOTHING)
    assert names(seats, kind()) == set()
    assert not Seats([leaving], reserved=NOTHING).any


def test_warm_before_cold_and_then_the_least_loaded() -> None:
    cold = a_worker("cold", checkpoints=COLD)
    warm = a_worker("warm", busy={Speed.FAST: 3}, checkpoints=WARM)
    assert Seats([cold, warm], reserved=NOTHING).best(kind(), push=False).name == "warm"
    half, quarter = (
        a_worker("half", busy={Speed.FAST: 2}),
        a_worker("quarter", busy={Speed.FAST: 1}),
    )
    assert Seats([half, quarter], reserved=NOTHING).best(kind(), push=False).name == "quarter"


def test_a_cold_job_goes_where_memory_is_free() -> None:
    """Otherwise it would push out what another account's next job needs."""
    tight = a_worker("tight", vram_bytes=24 * GIB, free_bytes=4 * GIB)
    roomy = a_worker("roomy", busy={Speed.FAST: 2}, vram_bytes=24 * GIB, free_bytes=16 * GIB)
    seats = Seats([tight, roomy], reserved=NOTHING)
    assert seats.best(kind(vram=8 * GIB), push=False).name == "roomy"


def test_what_does_not_fit_is_not_sent_and_what_nobody_knows_is() -> None:
    small, large = a_worker("small", vram_bytes=8 * GIB), a_worker("large", vram_bytes=24 * GIB)
    unknown = a_worker("unknown")
    seats = Seats([small, large, unknown], reserved=NOTHING)
    assert names(seats, kind(vram=12 * GIB)) == {"large", "unknown"}
    assert names(seats, kind(vram=0)) == {"small", "large", "unknown"}
    assert not Seats([small], reserved=NOTHING).fits(kind(vram=12 * GIB))


# --- a faster job on a full GPU -------------------------------------------------------------------


def test_turbo_finds_room_where_relax_has_taken_every_slot() -> None:
    seats = Seats([a_worker(busy={Speed.RELAX: 4})], reserved=NOTHING)
    assert names(seats, kind(Speed.TURBO), push=True) == {"gpu"}
    assert names(seats, kind(Speed.FAST), push=True) == {"gpu"}
    assert names(seats, kind(Speed.RELAX), push=True) == set()
    assert names(seats, kind(Speed.TURBO), push=False) == set()


@pytest.mark.parametrize("speed", list(Speed))
def test_nobody_pushes_their_own_kind_aside(speed: Speed) -> None:
    seats = Seats([a_worker(busy={speed: 4})], reserved=NOTHING)
    assert names(seats, kind(speed), push=True) == set()


def test_each_speed_pushes_as_many_aside_as_there_are_slots() -> None:
    """Also those who pushed others aside themselves: turbo never waits for a job of another speed."""
    worker = a_worker(slots=2, busy={Speed.RELAX: 2})
    for speed in (Speed.FAST, Speed.FAST, Speed.TURBO, Speed.TURBO):
        assert Seats([worker], reserved=NOTHING).takers(kind(speed), push=True)
        worker = worker.with_job(kind(speed))
    for speed in Speed:
        assert not Seats([worker], reserved=NOTHING).takers(kind(speed), push=True)
    assert worker.jobs == len(Speed) * worker.slots


def test_a_free_slot_is_better_than_a_push() -> None:
    full = a_worker("full", busy={Speed.RELAX: 4}, checkpoints=WARM)
    free = a_worker("free", busy={Speed.RELAX: 3}, checkpoints=WARM)
    assert Seats([full, free], reserved=NOTHING).best(kind(Speed.TURBO), push=True).name == "free"


# --- reserved -------------------------------------------------------------------------------------


def test_reserved_slots_are_kept_until_their_speed_has_them() -> None:
    reserved = {Speed.TURBO: 1}
    three = a_worker(busy={Speed.RELAX: 3})
    assert names(Seats([three], reserved=reserved), kind(Speed.RELAX)) == set()
    assert names(Seats([three], reserved=reserved), kind(Speed.TURBO)) == {"gpu"}
    used = a_worker(busy={Speed.RELAX: 2, Speed.TURBO: 1})
    assert names(Seats([used], reserved=reserved), kind(Speed.RELAX)) == {"gpu"}


def test_a_reservation_is_of_the_whole_farm() -> None:
    first, second = a_worker("a", slots=1), a_worker("b", slots=1, busy={Speed.TURBO: 1})
    assert names(Seats([first, second], reserved={Speed.TURBO: 1}), kind(Speed.RELAX)) == {"a"}
    assert names(Seats([first, second], reserved={Speed.TURBO: 2}), kind(Speed.RELAX)) == set()


# --- alone ----------------------------------------------------------------------------------------


def test_who_must_be_alone_gets_an_empty_worker_and_keeps_it() -> None:
    empty, busy = a_worker("empty"), a_worker("busy", busy={Speed.FAST: 1})
    seats = Seats([empty, busy], reserved=NOTHING)
    assert names(seats, kind(alone=True)) == {"empty"}
    taken = empty.with_job(kind(alone=True))
    seats = Seats([taken, busy], reserved=NOTHING)
    assert names(seats, kind(Speed.TURBO), push=True) == {"busy"}
    assert taken.without_job(Speed.FAST).open_slots == 4


def test_a_worker_is_cleared_for_who_must_be_alone() -> None:
    """A farm that is never empty would otherwise never run it."""
    light, heavy = a_worker("light", busy={Speed.FAST: 1}), a_worker("heavy", busy={Speed.FAST: 3})
    seats = Seats([light, heavy], reserved=NOTHING)
    seats.clear_for([kind(), kind(alone=True)])
    assert names(seats, kind()) == {"heavy"}
    seats = Seats([light, heavy], reserved=NOTHING)
    seats.clear_for([kind()])
    assert names(seats, kind()) == {"light", "heavy"}
