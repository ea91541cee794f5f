"""A hold is the estimate at the speed's price; a charge is measured, and never more than the hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import read_catalog
from shared.config import SHARED
from shared.cost import UPSCALE_MS, charge_ms, estimate_ms, hold_ms
from shared.lineage import upscale_spec
from shared.plans import Speed, read_plans
from shared.prompt import parse
from shared.spec import RenderSpec, Source, resolve

POSTCARDS = replace(
    read_catalog(SHARED / "catalog.toml").get("postcards"), step_ms=10.0, fixed_ms=50.0
)
BOOK = read_plans(SHARED / "plans.toml")


def spec_of(text: str) -> RenderSpec:
    return resolve(parse(text), POSTCARDS, plan=BOOK.plan("pro"), seed=1)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("a cat", 4 * (12 * 10 * 2 + 50)),
        ("a cat --steps 24", 4 * (24 * 10 * 2 + 50)),
        ("a cat --guidance 1", 4 * (12 * 10 + 50)),
        ("a cat --sampler heun", 4 * (2 * 12 * 10 * 2 + 50)),
        ("a cat --ar 3:2", 1.5 * 4 * (12 * 10 * 2 + 50)),
    ],
)
def test_the_estimate_counts_pictures_steps_area_and_forwards(text: str, cost: float) -> None:
    assert estimate_ms(spec_of(text), POSTCARDS) == cost


def test_an_upscale_is_cheap_but_not_free() -> None:
    spec = upscale_spec(spec_of("a cat --steps 80"), 0, Source("key", "0" * 64))
    assert estimate_ms(spec, POSTCARDS) == UPSCALE_MS > 0


def test_estimates_are_whole_and_rounded_up() -> None:
    odd = replace(POSTCARDS, step_ms=0.001, fixed_ms=0.0)
    assert estimate_ms(spec_of("a cat"), odd) == 1


@pytest.mark.parametrize(
    ("speed", "hold", "charge"),
    [(Speed.TURBO, 2000, 600), (Speed.FAST, 1000, 300), (Speed.RELAX, 0, 0)],
)
def test_each_speed_has_its_price(speed: Speed, hold: int, charge: int) -> None:
    assert hold_ms(1000, speed, BOOK) == hold
    assert charge_ms(300, speed, BOOK, ceiling_ms=hold) == charge


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(Speed))
def test_nobody_pays_more_than_was_held(estimated: int, measured: int, speed: Speed) -> None:
    hold = hold_ms(estimated, speed, BOOK)
    charge = charge_ms(measured, speed, BOOK, ceiling_ms=hold)
    assert 0 <= charge <= hold
    assert isinstance(charge, int)
    if measured <= estimated:
        assert charge == hold_ms(measured, speed, BOOK)


def test_a_negative_measurement_is_never_a_gift() -> None:
    assert charge_ms(-5, Speed.FAST, BOOK, ceiling_ms=100) == 0
