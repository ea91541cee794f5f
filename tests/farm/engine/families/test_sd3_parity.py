"""Stable Diffusion 3 gives diffusers' own pictures, alone and beside unlike neighbours."""

import pytest
import torch

from farm.engine.families import Origin
from shared.spec import RenderKind, RenderSpec, WeightedText
from tests.farm.engine.families import drive, tiny_sd3
from tests.farm.engine.families.pair_sd3 import (
    CLOSE,
    TALL,
    WIDE,
    drawn,
    expected,
    family_of,
    origin_of,
    recipe,
    redrawn,
)

WAYS = [RenderKind.TEXT, RenderKind.IMAGE, RenderKind.INPAINT]


def check(kind: str, spec: RenderSpec) -> None:
    assert drive.relative(drawn(kind, spec), expected(kind, spec)) < CLOSE


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sampler", ["flow-euler", "flow-heun", "flow-lcm"])
@pytest.mark.parametrize("kind", ["with T5", "without T5"])
def test_alone_it_is_the_pipelines_own(
    kind: str, sampler: str, way: RenderKind, guidance: float
) -> None:
    check(kind, recipe(sampler=sampler, guidance=guidance, **redrawn(way)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sampler", ["flow-euler", "flow-lcm"])
@pytest.mark.parametrize("size", [WIDE, (64, 64)])
def test_a_size_shifts_its_timesteps_as_in_the_pipeline(
    size: tuple[int, int], sampler: str, way: RenderKind
) -> None:
    check("shifting", recipe(size, sampler=sampler, **redrawn(way)))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("sampler", ["flow-dpm++2m", "flow-unipc"])
def test_multistep_samplers_follow_the_pipeline_from_noise(sampler: str, guidance: float) -> None:
    """diffusers' pipelines cannot begin from a picture with these: they lack `scale_noise`."""
    check("with T5", recipe(sampler=sampler, guidance=guidance, steps=6))


@pytest.mark.parametrize("way", [RenderKind.TEXT, RenderKind.IMAGE])
def test_other_autoencoders_fit_too(way: RenderKind) -> None:
    check("4 channels", recipe(**redrawn(way)))


@pytest.mark.parametrize("strength", [0.35, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("way", [RenderKind.IMAGE, RenderKind.INPAINT])
def test_strength_cuts_where_the_pipeline_cuts(way: RenderKind, strength: float) -> None:
    """Part of a step counts as a whole one here, unlike in Stable Diffusion 1."""
    check("with T5", recipe(kind=way, strength=strength, steps=10))


def test_a_text_is_drawn_from_noise_whatever_the_strength() -> None:
    plain = drawn("with T5", recipe())
    assert torch.equal(drawn("with T5", recipe(strength=0.5)), plain)


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_an_inpainting_model_sees_the_mask(strength: float, guidance: float) -> None:
    spec = recipe(kind=RenderKind.INPAINT, strength=strength, guidance=guidance)
    start = drive.begin(family_of("inpainting"), spec, origin_of(spec)).start
    assert start.kept is None
    assert start.beside is not None
    assert start.beside.shape == (1, 17, 16, 32)
    check("inpainting", spec)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("sampler", ["flow-euler", "flow-lcm"])
def test_few_steps_without_guidance(sampler: str, steps: int) -> None:
    check("with T5", recipe(TALL, sampler=sampler, steps=steps, guidance=0.0))


@pytest.mark.parametrize("skipped", [1, tiny_sd3.CLIP_LAYERS - 1])
def test_layers_are_skipped_as_in_the_pipeline(skipped: int) -> None:
    check("with T5", recipe(clip_skip=skipped))
    plain, skipping = (drawn("with T5", recipe(clip_skip=skip)) for skip in (0, skipped))
    assert drive.relative(skipping, plain) > 100 * CLOSE


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("way", WAYS)
def test_bf16_latents_give_the_pipelines_pixels(way: RenderKind, guidance: float) -> None:
    """Both decoded here: diffusers' inpainting forgets the autoencoder's shift."""
    spec, half = recipe(TALL, guidance=guidance, **redrawn(way)), torch.bfloat16
    family = family_of("with T5", half)
    with torch.inference_mode():
        wanted = family.decode(expected("with T5", spec, dtype=half))
    found = drive.pixels(family, drive.draw(family, spec, origin_of(spec)))
    assert found.float().std() > 10
    assert drive.psnr(found, wanted) >= 40


def test_decoding_is_the_pipelines() -> None:
    spec, family = recipe((36, 28)), family_of("with T5")
    found = drive.pixels(family, drive.draw(family, spec))
    wanted = torch.from_numpy(expected("with T5", spec, output="np") * 255).round()
    assert found.shape == (1, 28, 36, 3)
    assert (found.float() - wanted).abs().max() <= 1
    assert found.float().std() > 10


# --- rows of one forward -----------------------------------------------------------------------


def unlike() -> list[RenderSpec]:
    texts = ["a red sailboat", "two owls at night", "snow", "a lighthouse, 1900"]
    return [
        recipe(texts=(WeightedText(texts[0]),), steps=3, guidance=1.0),
        recipe(texts=(WeightedText(texts[1]),), steps=6, guidance=3.5, seed=8),
        recipe(texts=(WeightedText(texts[2]),), steps=4, sampler="flow-lcm"),
        recipe(texts=(WeightedText(texts[3]),), steps=5, sampler="flow-unipc", negative="rain"),
        recipe(kind=RenderKind.IMAGE, strength=0.6, steps=4, sampler="flow-heun"),
        recipe(kind=RenderKind.INPAINT, strength=0.7, steps=5, guidance=7.0),
    ]


@pytest.mark.parametrize("kind", ["with T5", "without T5", "shifting"])
def test_unlike_rows_in_one_forward_are_each_as_alone(kind: str) -> None:
    """To the bit, on a CPU: latents and pixels."""
    family, specs = family_of(kind), unlike()
    together = drive.draw_together(family, specs, [origin_of(spec) for spec in specs])
    with torch.inference_mode():
        pixels = family.decode(torch.cat([course.latents for course in together]))
    for nth, (course, spec) in enumerate(zip(together, specs, strict=True)):
        alone = drive.draw(family, spec, origin_of(spec))
        assert torch.equal(course.latents, alone.latents)
        assert torch.equal(pixels[nth : nth + 1], drive.pixels(family, alone))


def test_rows_with_unlike_masks_share_a_forward() -> None:
    family = family_of("inpainting")
    specs = [recipe(kind=RenderKind.INPAINT, steps=steps) for steps in (3, 5)]
    origins = [Origin(drive.picture(3, *WIDE), drive.mask(left, *WIDE)) for left in (8, 40)]
    together = drive.draw_together(family, specs, origins)
    for course, spec, origin in zip(together, specs, origins, strict=True):
        assert torch.equal(course.latents, drive.draw(family, spec, origin).latents)
