"""What headers say of a submission, and fields that become the grammar."""

import pytest

from farm.api.v1.parameters import FIELDS, Parameters
from farm.api.v1.terms import span_of, wait_of
from shared.errors import Refusal
from shared.parameters import PARAMETERS
from shared.plans import Speed, Visibility
from shared.prompt import parse

# What is only shown before it is used is no field.
SHOWN_FIRST = {"enhance"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("wait", 60.0), ("respond-async, Wait=5", 5.0), ("wait=900", 60.0), ("return=minimal", None)],
)
def test_a_wait_is_one_preference_of_several(header: str, seconds: float | None) -> None:
    assert wait_of(header) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"), [("90s", 90), ("1m", 60), ("1h30m", 5_400), ("60", 60), ("24h", 86_400)]
)
def test_a_deadline_is_a_span(header: str, seconds: float) -> None:
    assert span_of(header) == seconds


@pytest.mark.parametrize("header", ["", "4s", "25h", "soon", "1 m", "-5", "1e3"])
def test_a_deadline_that_is_none_names_its_header(header: str) -> None:
    with pytest.raises(Refusal) as refused:
        span_of(header)
    assert refused.value.field == "Cancel-After"


def test_every_parameter_is_a_field() -> None:
    assert {one.field for one in PARAMETERS if one.supported} - SHOWN_FIRST == set(FIELDS)


def test_fields_are_read_back_as_what_they_say() -> None:
    fields = Parameters(
        aspect="3:2",
        negative=["birds, or not", "rain"],
        seed=7,
        raw=True,
        tile=False,
        style_refs=["1234::2", "https://example.com/a.png"],
        loras=["sepia:0.8", "neon"],
        version="niji 6",
        quality=0.5,
        speed=Speed.RELAX,
        visibility=Visibility.STEALTH,
    )
    said = parse(f"a boat {fields.typed()}")
    assert (said.aspect, said.seed, said.raw, said.tile) == ((3, 2), 7, True, False)
    assert said.negative == ("birds, or not", "rain")
    assert [one.what for one in said.style_refs] == ["1234", "https://example.com/a.png"]
    assert [one.name for one in said.loras] == ["sepia", "neon"]
    assert (said.version, said.quality, said.speed, said.visibility) == (
        "niji 6",
        0.5,
        "relax",
        "stealth",
    )
