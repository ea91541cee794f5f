"""SDXL gives diffusers' own pictures, alone and beside unlike neighbours."""

from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine.families import Origin
from farm.engine.samplers import generator_for
from shared.spec import Refiner, RenderKind, RenderSpec, SizeHint
from tests.farm.engine.families import drive
from tests.farm.engine.families.drive import recipe
from tests.farm.engine.families.pair_sdxl import ORIGINS, Pair

CLOSE = 1e-4
SAMPLERS = (
    "ddim",
    "dpm++2m",
    "dpm++2m-karras",
    "euler",
    "euler-a",
    "euler-karras",
    "euler-trailing",
    "heun",
    "unipc",
    "lcm",
)
GUIDANCE = ({"guidance": 1.0}, {"guidance": 5.0}, {"guidance": 5.0, "rescale": 0.7})
REDRAWN = {"kind": RenderKind.IMAGE, "strength": 0.6}
MASKED = {"kind": RenderKind.INPAINT, "strength": 0.6}
MASKED_ANEW = {"kind": RenderKind.INPAINT, "strength": 1.0}
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "text": (4, {}),
    "image": (4, REDRAWN),
    "inpaint": (4, MASKED),
    "inpaint anew": (4, MASKED_ANEW),
    "inpaint of nine": (9, MASKED),
    "inpaint of nine anew": (9, MASKED_ANEW),
}


@pytest.fixture(scope="module")
def pairs() -> dict[int, Pair]:
    """By the channels that the model sees."""
    return {4: Pair(), 9: Pair(channels=9)}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_samplers_as_diffusers(pairs: dict[int, Pair], kind: str, sampler: str) -> None:
    channels, asked = KINDS[kind]
    assert pairs[channels].compare(recipe(sampler=sampler, **asked)) < CLOSE


@pytest.mark.parametrize("guidance", GUIDANCE, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_guidance_as_diffusers(pairs: dict[int, Pair], kind: str, guidance: Any) -> None:
    channels, asked = KINDS[kind]
    assert pairs[channels].compare(recipe(sampler="euler-a", **asked, **guidance)) < CLOSE


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_skip": 1},
        {"clip_skip": 2, "negative": "blue"},
        {"negative": "a blue house in the snow"},
        {"size_hint": SizeHint((512, 1024), (64, 32))},
        {"size_hint": SizeHint((512, 1024), (64, 32)), **REDRAWN},
        {"width": 96, "height": 32},
        {"seed": 8},
    ],
    ids=str,
)
def test_what_it_is_told_as_diffusers(pairs: dict[int, Pair], changes: dict[str, Any]) -> None:
    assert pairs[4].compare(recipe(**changes)) < CLOSE
    told, untold = (drive.draw(pairs[4].ours, recipe(**one)) for one in (changes, {}))
    same = told.latents.shape == untold.latents.shape
    assert not same or drive.relative(told.latents, untold.latents) > 10 * CLOSE


def test_noise_of_ddim_as_diffusers(pairs: dict[int, Pair]) -> None:
    assert pairs[4].compare(recipe(sampler="ddim", eta=0.8)) < CLOSE


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_turbo_as_diffusers(pairs: dict[int, Pair], steps: int) -> None:
    turbo = {"sampler": "euler-trailing", "steps": steps, "guidance": 1.0}
    assert pairs[4].compare(recipe(**turbo)) < CLOSE


@pytest.mark.parametrize("kind", ["text", "image"])
def test_distilled_guidance_as_diffusers(kind: str) -> None:
    pair = Pair(distilled=True)
    spec = recipe(sampler="lcm", guidance=8.0, **KINDS[kind][1])
    assert pair.ours.encode(spec).rows == 1
    assert pair.compare(spec) < CLOSE
    weaker = drive.draw(pair.ours, recipe(sampler="lcm", guidance=2.0, **KINDS[kind][1]))
    stronger = drive.draw(pair.ours, spec)
    assert drive.relative(weaker.latents, stronger.latents) > 10 * CLOSE


@pytest.mark.parametrize("kind", ["text", "image", "inpaint"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"force_zeros_for_empty_prompt": False},
        {"scheduler": {"prediction_type": "v_prediction"}},
    ],
    ids=str,
)
def test_pictures_as_diffusers(kind: str, options: dict[str, Any]) -> None:
    pair, spec = Pair(**options), recipe(**KINDS[kind][1])
    found = drive.pixels(pair.ours, drive.draw(pair.ours, spec, ORIGINS[spec.kind]))
    assert int((found.int() - _pixels(pair, spec).int()).abs().max()) <= 1


@pytest.mark.parametrize("kind", ["text", "image"])
def test_channels_with_a_mean_as_diffusers(kind: str) -> None:
    spread = {"latents_mean": [0.4, -0.2, 0.1, 0.3], "latents_std": [2.0, 3.0, 1.0, 1.5]}
    pair, spec = Pair(vae=spread), recipe(**KINDS[kind][1])
    assert pair.compare(spec) < CLOSE
    found = drive.pixels(pair.ours, drive.draw(pair.ours, spec, ORIGINS[spec.kind]))
    assert int((found.int() - _pixels(pair, spec).int()).abs().max()) <= 1


@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", ["text", "image", "inpaint of nine"])
def test_half_precision_near_diffusers(kind: str, dtype: torch.dtype) -> None:
    channels, asked = KINDS[kind]
    pair, spec = Pair(channels=channels, dtype=dtype), recipe(**asked)
    found = drive.pixels(pair.ours, drive.draw(pair.ours, spec, ORIGINS[spec.kind]))
    assert drive.psnr(found, _pixels(pair, spec)) >= 40


def _pixels(pair: Pair, spec: RenderSpec) -> Tensor:
    numbers = pair.theirs(spec, ORIGINS[spec.kind], output_type="np")
    return torch.from_numpy(numbers).mul(255).round().to(torch.uint8)


# --- the refiner ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m-karras", "euler", "euler-a", "heun"])
@pytest.mark.parametrize("changes", [{}, REDRAWN | {"strength": 0.9}], ids=["text", "image"])
def test_refiner_takes_over_as_diffusers(
    pairs: dict[int, Pair], changes: dict[str, Any], sampler: str
) -> None:
    base, refiner = pairs[4], Pair(refiner=True)
    spec = recipe(
        sampler=sampler,
        steps=8,
        refiner=Refiner("refiner", 0.7),
        size_hint=SizeHint((512, 1024), (64, 32)),
        **changes,
    )
    origin, generator = ORIGINS[spec.kind], generator_for(spec.seed)
    halfway = base.theirs(
        spec, origin, denoising_end=0.7, generator=generator, output_type="latent"
    )
    wanted = refiner.theirs(
        spec, Origin(halfway), denoising_start=0.7, generator=generator, output_type="latent"
    )
    course = drive.draw(base.ours, spec, origin)
    assert drive.relative(course.latents, halfway) < CLOSE
    last = drive.refined(refiner.ours, course)
    drive.run(refiner.ours, [last])
    assert drive.relative(last.latents, wanted) < CLOSE


# --- neighbours ----------------------------------------------------------------------------------

UNLIKE: list[dict[str, Any]] = [
    {},
    {"guidance": 1.0, "steps": 2, "seed": 8},
    {"guidance": 7.0, "rescale": 0.7, "sampler": "euler-a", "steps": 6, "seed": 9},
    {"sampler": "heun", "negative": "snow", "clip_skip": 1, "seed": 10},
    {"sampler": "dpm++2m-karras", "size_hint": SizeHint((512, 1024)), **REDRAWN, "seed": 11},
    {"sampler": "lcm", **MASKED, "seed": 12},
]


def test_unlike_rows_in_one_batch_are_the_rows_alone(pairs: dict[int, Pair]) -> None:
    _together_as_alone(pairs[4].ours, [recipe(**one) for one in UNLIKE])


def test_rows_of_nine_channels_keep_their_own_masks(pairs: dict[int, Pair]) -> None:
    specs = [recipe(**MASKED, seed=seed, steps=seed) for seed in (4, 5, 7)]
    origins = [Origin(drive.picture(i), drive.mask(16 * i)) for i in (1, 2, 3)]
    _together_as_alone(pairs[9].ours, specs, origins)


def _together_as_alone(
    family: Any, specs: list[RenderSpec], origins: list[Origin] | None = None
) -> None:
    starts = origins or [ORIGINS[spec.kind] for spec in specs]
    together = drive.draw_together(family, specs, starts)
    for spec, start, course in zip(specs, starts, together, strict=True):
        alone = drive.draw(family, spec, start)
        assert drive.relative(course.latents, alone.latents) < CLOSE
