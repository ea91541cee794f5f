from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.waits import Outlook, about, how_long, place_and_time


def outlook(
    position: int | None, eta_s: float | None, low_s: float | None, high_s: float | None
) -> Outlook:
    return Outlook(uuid4(), position, None, eta_s, low_s, high_s, "next in line")


@pytest.mark.parametrize(
    ("low_s", "high_s", "said"),
    [
        (118, 251, "about 2 to 4 min"),
        (118, 121, "about 2 min"),
        (3, 7.4, "about 3 to 7 s"),
        (0, 0, "up to 1 s"),
        (0, 9, "up to 9 s"),
        (23, 46, "about 25 to 45 s"),
        (23, 24, "about 25 s"),
        (12, 240, "up to 4 min"),
        (40, 130, "about 1 to 2 min"),
        (3000, 8000, "about 1 to 2 h"),
        (9, 3, "about 3 s"),
    ],
)
def test_a_range_is_said_in_one_unit(low_s: float, high_s: float, said: str) -> None:
    assert about(low_s, high_s) == said


@given(st.floats(-10, 1e6), st.floats(-10, 1e6))
def test_a_range_is_never_nonsense(low_s: float, high_s: float) -> None:
    words = about(low_s, high_s).split()
    numbers = [int(word) for word in words if word.isdigit()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (outlook(3, 170, 118, 251), "Position 3 · about 2 to 4 min"),
        (outlook(3, 74.4, None, None), "Position 3 · about 75 s"),
        (outlook(3, None, None, None), "Position 3"),
        (outlook(None, 30, None, 60), "about 30 s"),
        (outlook(None, None, None, None), ""),
    ],
)
def test_what_is_not_known_is_not_said(told: Outlook, said: str) -> None:
    assert place_and_time(told) == said
    assert how_long(told) in said
