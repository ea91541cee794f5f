"""A hold is the estimate at the speed's price; a charge is measured, and never more than the hold."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import read_catalog
from shared.config import SHARED
from shared.cost import REGION_PROBES, UPSCALE_MS, charge_ms, estimate_ms, hold_ms, priced
from shared.hires import strength_of
from shared.lineage import upscale_spec
from shared.plans import Override, Speed, read_plans
from shared.prompt import parse
from shared.spec import ControlUse, Refiner, RenderKind, RenderSpec, Source, resolve

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


def changed(**changes: Any) -> int:
    return estimate_ms(replace(spec_of("a cat"), **changes), POSTCARDS)


SOURCE = Source("key", "0" * 64)
ONE = ControlUse("edges", SOURCE)


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"stop": 0.5}, 4 * (6 * 10 * 2 + 50)),
        ({"stop": 0.55}, 4 * (7 * 10 * 2 + 50)),
        ({"stop": 0.01}, 4 * (10 * 2 + 50)),
        ({"strength": 0.3}, 4 * (4 * 10 * 2 + 50)),
        ({"strength": 0.5, "stop": 0.5}, 4 * (3 * 10 * 2 + 50)),
        ({"strength": 0.5, "sources": (SOURCE,)}, 4 * (6 * 10 * 2 + 100)),
        ({"width": 128, "height": 128, "images": 1}, 4 * (12 * 10 * 2 + 50)),
        ({"controls": (ONE,)}, 4 * (12 * 16 * 2 + 100)),
        ({"controls": (ONE, ONE)}, 4 * (12 * 22 * 2 + 100)),
        ({"sampler": "heun-karras"}, 4 * (2 * 12 * 10 * 2 + 50)),
        ({"sampler": "flow-heun"}, 4 * (2 * 12 * 10 * 2 + 50)),
        ({"sampler": "pndm-trailing"}, 4 * (13 * 10 * 2 + 50)),
        ({"refiner": Refiner("fine", 0.75)}, 4 * (12 * 10 * 2 + 50)),
    ],
)
def test_the_estimate_knows_what_shortens_and_what_lengthens_a_job(
    changes: dict[str, Any], cost: float
) -> None:
    assert changed(**changes) == cost


@pytest.mark.parametrize("hires", [1.5, 2.0])
@pytest.mark.parametrize("sampler", ["dpm++2m-karras", "heun", "pndm"])
def test_a_second_pass_is_held_for(hires: float, sampler: str) -> None:
    plain = replace(spec_of("a cat"), images=1, sampler=sampler)
    size = int(64 * hires)
    second = replace(plain, width=size, height=size, strength=strength_of(0.2, 12))
    together = estimate_ms(plain, POSTCARDS) + estimate_ms(second, POSTCARDS)
    assert changed(hires=hires, images=1, sampler=sampler) == together
    stopped = changed(hires=hires, images=1, sampler=sampler, stop=0.5)
    assert estimate_ms(plain, POSTCARDS) < stopped < together


def test_a_region_in_words_is_found_once_for_all_pictures() -> None:
    drawn = changed(kind=RenderKind.INPAINT, sources=(SOURCE,), mask=SOURCE)
    found = changed(kind=RenderKind.INPAINT, sources=(SOURCE,), region="the cat")
    assert found == drawn + 2 * REGION_PROBES * 10 + 50


def test_a_refiners_steps_cost_what_the_refiner_costs() -> None:
    refined = replace(spec_of("a cat"), refiner=Refiner("fine", 0.75))
    fine = replace(POSTCARDS, step_ms=30.0)
    assert estimate_ms(refined, POSTCARDS, refiner=fine) == 4 * ((9 * 10 + 3 * 30) * 2 + 50)
    stopped = replace(refined, stop=0.5)
    assert estimate_ms(stopped, POSTCARDS, refiner=fine) == 4 * ((5 * 10 + 3 * 30) * 2 + 50)


@given(st.integers(1, 50), st.floats(0.01, 1), st.floats(0.01, 1))
def test_no_recipe_is_held_for_fewer_forwards_than_it_takes(
    steps: int, strength: float, stop: float
) -> None:
    """Against the engine's own arithmetic: whole steps of `strength`, then `stop` of those."""
    plain = replace(POSTCARDS, step_ms=1.0, fixed_ms=0.0)
    spec = replace(spec_of("a cat --cfg 1"), images=1, steps=steps, strength=strength, stop=stop)
    drawn = min(int(steps * strength), steps)
    assert estimate_ms(spec, plain) >= max(1, round(drawn * stop))


def test_an_upscale_is_cheap_but_not_free() -> None:
    spec = upscale_spec(
        spec_of("a cat --steps 80"), 0, Source("key", "0" * 64), checkpoint=POSTCARDS
    )
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


def test_a_plan_and_a_server_may_have_prices_of_their_own() -> None:
    cheap = {Speed.TURBO: 1.5, Speed.FAST: 0.5, Speed.RELAX: 0.1}
    book = replace(BOOK, guilds={"7": Override(fields={"price": cheap})})
    here, elsewhere = book.terms("free", guild_id="7"), book.terms("free", guild_id="8")
    assert [hold_ms(1001, Speed.FAST, plan) for plan in (here, elsewhere)] == [501, 1001]
    assert charge_ms(301, Speed.FAST, here, ceiling_ms=501) == 151


@dataclass(frozen=True)
class Taken:
    plan: str
    speed: Speed
    price: float | None


def test_an_accepted_job_keeps_the_price_that_was_told() -> None:
    kept, old = Taken("pro", Speed.TURBO, 0.25), Taken("pro", Speed.TURBO, None)
    assert charge_ms(1000, Speed.TURBO, priced(kept, BOOK), ceiling_ms=9999) == 250
    assert charge_ms(1000, Speed.TURBO, priced(old, BOOK), ceiling_ms=9999) == 2000
