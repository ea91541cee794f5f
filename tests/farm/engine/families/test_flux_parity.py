"""A Flux job alone is what diffusers' own pipelines draw."""

import pytest
import torch

from shared.spec import RenderKind
from tests.farm.engine.families import drive
from tests.farm.engine.families.pair_flux import (
    CLOSE,
    KINDS,
    TALL,
    drawn,
    expected,
    family_of,
    origin_of,
    recipe,
    redrawn,
)


@pytest.mark.parametrize("guidance", [1.0, 3.5])
@pytest.mark.parametrize("way", [RenderKind.TEXT, RenderKind.IMAGE, RenderKind.INPAINT])
@pytest.mark.parametrize("sampler", ["flow-euler", "flow-lcm"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_alone_it_is_the_pipelines_own(
    kind: str, sampler: str, way: RenderKind, guidance: float
) -> None:
    spec = recipe(sampler=sampler, guidance=guidance, negative="fog", **redrawn(way))
    assert drive.relative(drawn(kind, spec), expected(kind, spec)) < CLOSE


@pytest.mark.parametrize("guidance", [1.0, 3.5])
@pytest.mark.parametrize("sampler", ["flow-dpm++2m", "flow-unipc"])
@pytest.mark.parametrize("kind", ["dev", "true"])
def test_multistep_samplers_follow_the_pipeline_too(
    kind: str, sampler: str, guidance: float
) -> None:
    spec = recipe(sampler=sampler, guidance=guidance, steps=6)
    assert drive.relative(drawn(kind, spec), expected(kind, spec)) < CLOSE


@pytest.mark.parametrize("sampler", ["flow-euler-karras", "flow-euler-exponential"])
def test_other_schedules_follow_the_pipeline_too(sampler: str) -> None:
    spec = recipe(sampler=sampler, steps=5)
    assert drive.relative(drawn("dev", spec), expected("dev", spec)) < CLOSE


@pytest.mark.parametrize("sampler", ["flow-euler", "flow-heun", "flow-dpm++2m", "flow-unipc"])
def test_a_larger_picture_is_noisy_for_longer_only_where_the_model_asks(sampler: str) -> None:
    small, large = (recipe(size, sampler=sampler, steps=4) for size in ((32, 32), (128, 128)))
    shifted, plain = family_of("dev"), family_of("dev, unshifted")
    assert shifted.sampler(large).timesteps[2] > shifted.sampler(small).timesteps[2]
    assert plain.sampler(large).timesteps == plain.sampler(small).timesteps


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_schnell_draws_in_few_steps(steps: int) -> None:
    spec = recipe(TALL, steps=steps, guidance=0.0)
    assert drive.relative(drawn("schnell", spec), expected("schnell", spec)) < CLOSE


@pytest.mark.parametrize("strength", [0.35, 0.5, 0.75, 1.0])
def test_strength_cuts_where_the_pipeline_cuts(strength: float) -> None:
    """Part of a step counts as a whole one here, unlike in Stable Diffusion."""
    spec = recipe(kind=RenderKind.IMAGE, strength=strength, steps=10)
    assert drive.relative(drawn("dev", spec), expected("dev", spec)) < CLOSE


@pytest.mark.parametrize("way", [RenderKind.TEXT, RenderKind.IMAGE, RenderKind.INPAINT])
def test_bf16_pixels_are_the_pipelines(way: RenderKind) -> None:
    spec, half = recipe(TALL, **redrawn(way)), torch.bfloat16
    family = family_of("dev", half)
    found = drive.pixels(family, drive.draw(family, spec, origin_of(spec)))
    wanted = torch.from_numpy(expected("dev", spec, dtype=half, output="np"))
    assert drive.psnr(found, (wanted * 255).round()) >= 40


@pytest.mark.parametrize("way", [RenderKind.TEXT, RenderKind.INPAINT])
def test_double_precision_draws_the_same_picture(way: RenderKind) -> None:
    spec = recipe(**redrawn(way))
    double = drive.draw(family_of("dev", torch.float64), spec, origin_of(spec)).latents
    assert double.dtype is torch.float64
    assert drive.relative(drawn("dev", spec), double.flatten(1, 2)) < CLOSE


def test_decoding_is_the_pipelines() -> None:
    spec, family = recipe((36, 28)), family_of("dev")
    found = drive.pixels(family, drive.draw(family, spec))
    wanted = torch.from_numpy(expected("dev", spec, output="np") * 255).round()
    assert found.shape == (1, 28, 36, 3)
    assert (found.float() - wanted).abs().max() <= 1
    assert found.float().std() > 10
