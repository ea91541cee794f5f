"""Tables replay diffusers' own schedulers, or there are none."""

import gc
import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine import tables
from farm.engine.samplers import FLOW_NAMES, NAMES, Sampler, generator_for
from farm.engine.tables import LIMIT, Table, measure, probe
from shared.config import ROOT

FOLDER = ROOT / "farm/postcards/weights/base"
DIFFUSION: dict[str, Any] = json.loads((FOLDER / "scheduler/scheduler_config.json").read_text())
FLOW = {"num_train_timesteps": 1000, "shift": 3.0}
SHAPE = (1, 4, 8, 8)

CASES = [
    (name, FLOW if kind == "flow" else DIFFUSION | {"prediction_type": kind}, steps)
    for name in NAMES
    for kind in (("flow",) if name in FLOW_NAMES else ("epsilon", "v_prediction"))
    for steps in (4, 9, 20)
]
UNTABLED = ("pndm", "pndm-trailing")  # four predictions back: more than a table knows
CHAINED = ("unipc", "flow-unipc", *UNTABLED)


def name_of(case: tuple[str, dict[str, Any], int]) -> str:
    name, config, steps = case
    return f"{name}-{config.get('prediction_type', 'flow')}-{steps}"


@pytest.fixture
def _no_memory() -> Iterator[None]:
    tables._answer.cache_clear()
    yield
    tables._answer.cache_clear()


def table_of(sampler: Sampler) -> Table:
    table = sampler.table
    assert table is not None
    return table


def replay_apart(sampler: Sampler, table: Table, dtype: torch.dtype = torch.float64) -> float:
    """The table against the scheduler over one whole way, noise included.

    The worst difference of any step, as a share of the largest number of its latents. `dtype` is
    the predictions'; most schedulers compute in it.
    """
    own = sampler.fork()
    numbers, theirs, ours = (generator_for(seed) for seed in (11, 12, 12))
    latents = torch.randn(SHAPE, generator=numbers, dtype=dtype) * sampler.start_scale
    mirror, worst = latents.double(), 0.0
    past: tuple[Tensor, ...] = ()
    for index in range(len(sampler.moments)):
        prediction = torch.randn(SHAPE, generator=numbers, dtype=dtype)
        seen = own.scale(latents, index)
        torch.testing.assert_close(float(table.scale[index]) * latents, seen)
        latents = own.advance(latents, prediction, index=index, generator=theirs)
        past = (mirror, prediction.double(), *past)[:6]
        drawn = torch.randn(SHAPE, generator=ours, dtype=dtype) if table.draws[index] else None
        mirror = table.step(index, past, drawn)
        worst = max(worst, float((mirror - latents).abs().max() / latents.abs().max()))
    assert torch.equal(theirs.get_state(), ours.get_state())
    return worst


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_table_replays_its_scheduler(case: tuple[str, dict[str, Any], int]) -> None:
    name, config, steps = case
    sampler = Sampler.begin(name, steps, config=config)
    if name in UNTABLED and steps > 4:
        assert sampler.table is None
        return
    table = table_of(sampler)
    assert table.residual <= LIMIT
    assert replay_apart(sampler, table) <= LIMIT
    # The scheduler's own roundings weigh more here: Heun divides by a sigma near zero.
    assert replay_apart(sampler, table, torch.float32) <= 10 * LIMIT
    assert table.chained <= name.startswith(CHAINED)
    assert len(table.coefs) == len(table.scale) == len(table.draws) == len(sampler.moments)


@pytest.mark.parametrize("strength", [0.3, 0.6])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTABLED])
def test_part_of_a_way_has_a_table_of_its_own(name: str, strength: float) -> None:
    config = FLOW if name in FLOW_NAMES else DIFFUSION
    sampler = Sampler.begin(name, 10, config=config, strength=strength)
    assert replay_apart(sampler, table_of(sampler)) <= LIMIT


def test_ddims_noise_is_in_its_table() -> None:
    lively = Sampler.begin("ddim", 9, config=DIFFUSION, eta=0.5)
    table = table_of(lively)
    assert all(table.draws)
    assert bool((table.noise[:-1] > 0.01).all())
    assert replay_apart(lively, table) <= LIMIT
    assert not any(table_of(Sampler.begin("ddim", 9, config=DIFFUSION)).draws)


@pytest.mark.parametrize("name", ["euler", "ddim"])
def test_two_halves_joined_are_the_whole(name: str) -> None:
    whole = table_of(Sampler.begin(name, 12, config=DIFFUSION))
    parts = [
        table_of(Sampler.begin(name, 12, config=DIFFUSION, **part))
        for part in ({"end": 0.5}, {"start": 0.5})
    ]
    joined = torch.cat([part.coefs for part in parts])
    torch.testing.assert_close(joined, whole.coefs, rtol=LIMIT, atol=LIMIT)


@pytest.mark.parametrize(
    ("name", "terms"), [("ddim", 2), ("euler", 2), ("dpm++2m", 4), ("heun", 4), ("unipc", 6)]
)
def test_no_more_terms_than_the_sampler_needs(name: str, terms: int) -> None:
    table = table_of(Sampler.begin(name, 9, config=DIFFUSION))
    assert table.terms == terms
    assert not table.coefs[:, terms:].any()
    assert table.chained == (name == "unipc")


def test_a_chained_table_does_not_hold_for_edited_latents() -> None:
    """So it must not be used where inpainting mends latents between steps."""
    table = table_of(Sampler.begin("unipc", 9, config=DIFFUSION))
    assert measure(Sampler.begin("unipc", 9, config=DIFFUSION), table) <= LIMIT
    freed = replace(table, chained=False)
    assert measure(Sampler.begin("unipc", 9, config=DIFFUSION), freed) > 100 * LIMIT


# --- what the table says beside the step ----------------------------------------------------------


@pytest.mark.parametrize("name", ["euler", "ddim", "dpm++2m", "heun", "flow-euler", "flow-heun"])
def test_held_is_the_source_at_the_next_steps_noise(name: str) -> None:
    sampler = Sampler.begin(name, 8, config=FLOW if name in FLOW_NAMES else DIFFUSION, strength=0.6)
    table = table_of(sampler)
    clean, noise = (torch.randn(SHAPE, generator=generator_for(seed)) for seed in (1, 2))
    for index, (own, added) in enumerate(table.held.tolist(), start=1):
        torch.testing.assert_close(own * clean + added * noise, sampler.noised(clean, noise, index))
    assert table.held[-1].tolist() == [1.0, 0.0]


def test_start_scale_is_the_schedulers() -> None:
    for name in ("euler", "ddim", "flow-euler"):
        sampler = Sampler.begin(name, 8, config=FLOW if name in FLOW_NAMES else DIFFUSION)
        assert table_of(sampler).start_scale == sampler.start_scale


# --- what is not linear ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ddim", "heun", "lcm"])
@pytest.mark.parametrize("reach", [1.0, 20.0])
def test_a_clipping_scheduler_has_no_table(name: str, reach: float) -> None:
    """A wide clip is met by the loud run alone."""
    clipping = DIFFUSION | {"clip_sample": True, "clip_sample_range": reach}
    assert Sampler.begin(name, 6, config=clipping).table is None
    assert Sampler.begin(name, 6, config=DIFFUSION).table is not None


@pytest.mark.parametrize("name", ["ddim", "dpm++2m", "unipc", "lcm"])
def test_a_thresholding_scheduler_has_no_table(name: str) -> None:
    assert Sampler.begin(name, 6, config=DIFFUSION | {"thresholding": True}).table is None


def test_numbers_that_are_not_finite_have_no_table() -> None:
    """DDIM divides by the signal's share, which a schedule of zero SNR makes zero."""
    config = DIFFUSION | {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "epsilon",
    }
    sampler = Sampler.begin("ddim", 6, config=config)
    assert sampler.table is None
    with pytest.raises(tables.Unforeseen):
        tables._walk(sampler, seed=1, loud=1.0, chained=False)
    assert Sampler.begin("ddim", 6, config=config | {"prediction_type": "v_prediction"}).table


def test_noise_that_a_table_cannot_draw_again_has_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the step does not show it: the generator would stand elsewhere afterwards."""
    sampler = Sampler.begin("ddim", 6, config=DIFFUSION)
    own = Sampler.advance

    def greedy(self: Sampler, latents: Tensor, prediction: Tensor, **step: Any) -> Tensor:
        torch.randn(3, generator=step["generator"])
        return own(self, latents, prediction, **step)

    monkeypatch.setattr(Sampler, "advance", greedy)
    assert tables._fitted(sampler, chained=False) is None


def test_a_scheduler_that_enlarges_has_no_table() -> None:
    enlarging = FLOW | {"scale_factors": [2.0], "upscale_mode": "nearest"}
    assert Sampler.begin("flow-lcm", 2, config=enlarging).table is None
    assert Sampler.begin("flow-lcm", 2, config=FLOW).table is not None


# --- the check ------------------------------------------------------------------------------------


def spoiled(table: Table, name: str, by: float) -> Table:
    """One number wrong, in the middle."""
    values = getattr(table, name).clone()
    values[len(values) // 2] += by
    return replace(table, **{name: values})


@pytest.mark.parametrize("name", ["euler-a", "dpm++2m", "unipc", "flow-lcm"])
@pytest.mark.parametrize("part", ["coefs", "noise", "scale", "held"])
def test_the_check_finds_one_wrong_number(name: str, part: str) -> None:
    sampler = Sampler.begin(name, 7, config=FLOW if name in FLOW_NAMES else DIFFUSION)
    table = table_of(sampler)
    assert measure(sampler, table) <= LIMIT
    draws = any(table.draws)
    assert (measure(sampler, spoiled(table, part, 1e-4)) > LIMIT) == (draws or part != "noise")


def test_the_check_finds_noise_that_is_not_drawn() -> None:
    sampler = Sampler.begin("euler-a", 7, config=DIFFUSION)
    table = table_of(sampler)
    silent = replace(table, draws=(*table.draws[:-1], False))
    assert measure(sampler, silent) > LIMIT


@pytest.mark.usefixtures("_no_memory")
@pytest.mark.parametrize("name", ["ddim", "dpm++2m", "unipc"])
def test_a_wrong_coefficient_costs_the_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = tables._solved

    def wrong(passage: tables.Passage) -> tuple[int, Tensor]:
        width, row = solve(passage)
        return width, row * (1 + 3e-6)

    monkeypatch.setattr(tables, "_solved", wrong)
    assert Sampler.begin(name, 5, config=DIFFUSION).table is None
    monkeypatch.setattr(tables, "_solved", solve)
    tables._answer.cache_clear()
    assert Sampler.begin(name, 5, config=DIFFUSION).table is not None


# --- memory ---------------------------------------------------------------------------------------


def test_equal_samplers_share_one_table() -> None:
    first, second = (Sampler.begin("euler", 7, config=DIFFUSION) for _ in range(2))
    assert first.table is second.table
    assert first.fork().table is first.table
    assert probe(first) is first.table


def test_what_is_remembered_holds_no_latents() -> None:
    sampler = Sampler.begin("dpm++2m", 14, config=DIFFUSION)
    latents = torch.randn(SHAPE, generator=generator_for(1))
    sampler.advance(latents, latents, index=0, generator=generator_for(2))
    assert sampler.table is not None
    stepped = weakref.ref(sampler.scheduler)
    del sampler
    gc.collect()
    assert stepped() is None


@pytest.mark.parametrize(
    "other",
    [
        {"steps": 8},
        {"strength": 0.5},
        {"eta": 0.5},
        {"start": 0.5},
        {"end": 0.5},
        {"config": DIFFUSION | {"prediction_type": "epsilon"}},
        {"config": DIFFUSION | {"beta_end": 0.013}},
    ],
)
def test_unlike_samplers_do_not(other: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"steps": 7, "config": DIFFUSION}
    one, two = (Sampler.begin("ddim", **asked) for asked in (plain, plain | other))
    assert one.key != two.key
    assert one.table is not two.table


def test_a_flows_shift_is_part_of_what_is_remembered() -> None:
    config = FLOW | {"use_dynamic_shifting": True}
    low, high = (Sampler.begin("flow-euler", 6, config=config, mu=mu) for mu in (0.5, 1.2))
    assert low.table is not high.table


def test_probing_does_not_step_the_sampler() -> None:
    sampler = Sampler.begin("dpm++2m", 7, config=DIFFUSION)
    assert sampler.table is not None
    assert sampler.save() == {}


def test_a_sampler_on_its_way_is_probed_from_the_start() -> None:
    late, fresh = (Sampler.begin("dpm++2m", 13, config=DIFFUSION) for _ in range(2))
    noise = torch.randn(SHAPE, generator=generator_for(1))
    late.advance(noise, noise, index=0, generator=generator_for(2))
    table = table_of(late)
    assert measure(fresh, table) <= LIMIT
