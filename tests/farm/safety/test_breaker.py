"""When a filter is called broken, and when it is well again. Pure: no clock but the one that is told."""

import pytest

from farm.safety.breaker import Breaker, Limits

LIMITS = Limits(in_a_row=5, failures=10, of=20, heal_s=60.0)


def judged(*failures: bool) -> Breaker:
    breaker = Breaker(LIMITS)
    for failed in failures:
        breaker.judged(failed=failed)
    return breaker


@pytest.mark.parametrize(("failures", "is_open"), [(0, False), (4, False), (5, True), (9, True)])
def test_so_many_failures_in_a_row_open_it(failures: int, is_open: bool) -> None:
    assert judged(*[True] * failures).open == is_open


def test_an_answer_in_between_begins_the_row_anew() -> None:
    assert not judged(*[True] * 4, False, *[True] * 4).open


def test_so_many_of_the_last_jobs_open_it_too() -> None:
    often = [True, True, False] * 6
    assert not judged(*often[:12]).open
    assert judged(*often).open


def test_what_lies_further_back_does_not_count() -> None:
    old = [True, True, False] * 4
    assert not judged(*old, *[False] * 20, *[True] * 4).open


def test_it_is_well_once_it_has_passed_for_long_enough() -> None:
    breaker = judged(*[True] * 5)
    assert not breaker.tested(passed=True, now=100.0)
    assert not breaker.tested(passed=True, now=159.9)
    assert breaker.tested(passed=True, now=160.0)


def test_one_failed_test_begins_the_time_anew() -> None:
    breaker = judged(*[True] * 5)
    breaker.tested(passed=True, now=100.0)
    assert not breaker.tested(passed=False, now=150.0)
    assert not breaker.tested(passed=True, now=161.0)
    assert breaker.tested(passed=True, now=221.0)


def test_closed_it_has_forgotten_what_failed() -> None:
    breaker = judged(*[True] * 5)
    breaker.close()
    assert not breaker.open
    for _ in range(4):
        breaker.judged(failed=True)
    assert not breaker.open
    breaker.judged(failed=True)
    assert breaker.open
