"""A job alone is what diffusers' own pipeline draws with that seed: one suite for every family.

Tiny random configurations of each architecture, and the trained model; through the engine's loop,
with its tables and its stacked rows. Each family's file has the ways to start and its own extras.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from farm.engine.families import Origin, flux, sdxl
from farm.engine.memory.pool import Pool
from farm.engine.samplers import RECIPES, build_scheduler
from shared.catalog import SAMPLERS, Catalog, samplers_of
from shared.spec import RenderSpec
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.families import (
    drive,
    pair_sd3,
    pair_sd15,
    pair_sdxl,
    tiny_flux,
    tiny_sdxl,
)
from tests.farm.engine.shelf import pool_of

CLOSE = 1e-4  # of the largest latent, in single precision
LEAST_PSNR = 40.0  # dB of the pixels, in half precision

Expected = Callable[..., Any]
TINY: dict[str, tuple[str, Callable[[torch.dtype], Any]]] = {
    "sd15": ("sd15", lambda dtype: pair_sd15.fresh("plain", dtype)),
    "sdxl": ("sdxl", lambda dtype: sdxl.from_pipeline(tiny_sdxl.build(dtype=dtype))),
    "sd3": ("sd3", lambda dtype: pair_sd3.fresh("with T5", dtype)),
    "sd3-no-t5": ("sd3", lambda dtype: pair_sd3.fresh("without T5", dtype)),
    "flux-dev": ("flux", lambda dtype: _flux("dev", dtype)),
    "flux-schnell": ("flux", lambda dtype: _flux("schnell", dtype)),
}
WIDE = ("sd15", "sdxl", "sd3", "flux-dev")  # the others differ in what they are told, not in steps


def _flux(kind: str, dtype: torch.dtype) -> Any:
    pipeline = tiny_flux.build(**tiny_flux.KINDS[kind], dtype=dtype)
    return flux.from_pipeline(pipeline, text_length=tiny_flux.TEXT_LENGTH)


@cache
def _sdxl_pair(dtype: torch.dtype) -> pair_sdxl.Pair:
    return pair_sdxl.Pair(dtype=dtype)


def _expected(name: str, spec: RenderSpec, dtype: torch.dtype, output: str) -> Any:
    plain = Origin()
    match name:
        case "sd15":
            return pair_sd15.expected("plain", spec, plain, dtype=dtype, output=output)
        case "sdxl":
            return _sdxl_pair(dtype).theirs(spec, plain, output_type=output)
        case "sd3" | "sd3-no-t5":
            kind = "with T5" if name == "sd3" else "without T5"
            return pair_sd3.expected(kind, spec, dtype=dtype, output=output)
        case _:
            kind = name.removeprefix("flux-")
            return tiny_flux.draw(kind, spec, plain, dtype=dtype, output=output)


@pytest.fixture(scope="module")
def tiny(catalog: Catalog) -> Pool:
    return pool_of(catalog, TINY)


@pytest.fixture
def tiny_desk(tiny: Pool, tmp_path: Path) -> Desk:
    return Desk(tiny, tmp_path)


def spec_of(name: str, sampler: str, **changes: Any) -> RenderSpec:
    size = (64, 32) if TINY[name][0] in ("sd3", "flux") else (64, 64)
    plain = {"checkpoint": name, "sampler": sampler, "width": size[0], "height": size[1]}
    return drive.recipe(**plain | {"negative": "fog", "steps": 5} | changes)


def final_latents(desk: Desk, spec: RenderSpec) -> list[Tensor]:
    desk.admit(spec)
    trajectories = desk.engine.running["job"].trajectories
    desk.finish()
    return [one.latents for one in trajectories]


def relative(ours: Tensor, theirs: Tensor) -> float:
    """Flux's pipeline keeps its latents packed, in one row of tokens."""
    ours = ours.flatten(1, 2) if ours.dim() > theirs.dim() else ours
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


CELLS = [
    (name, sampler, guidance)
    for name in WIDE
    for sampler in samplers_of(TINY[name][0])
    for guidance in (1.0, 5.0)
    if (name, sampler) != ("flux-dev", "flow-heun")  # which diffusers' pipeline refuses
]


@pytest.mark.parametrize(("name", "sampler", "guidance"), CELLS)
def test_a_job_alone_equals_the_pipeline(
    tiny_desk: Desk, name: str, sampler: str, guidance: float
) -> None:
    spec = spec_of(name, sampler, guidance=guidance)
    (ours,) = final_latents(tiny_desk, spec)
    assert relative(ours, _expected(name, spec, torch.float32, "latent")) <= CLOSE


@pytest.mark.parametrize("name", ["sd3-no-t5", "flux-schnell"])
@pytest.mark.parametrize("steps", [1, 4])
def test_so_does_one_with_fewer_parts_or_steps(tiny_desk: Desk, name: str, steps: int) -> None:
    spec = spec_of(name, "flow-euler", guidance=1.0, steps=steps)
    (ours,) = final_latents(tiny_desk, spec)
    assert relative(ours, _expected(name, spec, torch.float32, "latent")) <= CLOSE


def test_rescaled_guidance_too(tiny_desk: Desk) -> None:
    for name in ("sd15", "sdxl"):
        spec = spec_of(name, "euler", rescale=0.7)
        (ours,) = final_latents(tiny_desk, spec)
        assert relative(ours, _expected(name, spec, torch.float32, "latent")) <= CLOSE


@pytest.mark.parametrize("name", WIDE)
def test_in_half_precision_pixels_are_as_near_as_its_rounding(
    catalog: Catalog, tmp_path: Path, name: str
) -> None:
    desk = Desk(Pool_in(catalog, torch.bfloat16), tmp_path)
    sampler = "flow-euler" if TINY[name][0] in ("sd3", "flux") else "euler"
    spec = spec_of(name, sampler, guidance=3.5)
    picture = desk.render(spec).pictures[0]
    theirs = _expected(name, spec, torch.bfloat16, "np")[0]
    ours = np.frombuffer(picture.rgb, np.uint8).reshape(theirs.shape) / 255
    assert psnr(ours, theirs) >= LEAST_PSNR


def Pool_in(catalog: Catalog, dtype: torch.dtype) -> Pool:  # noqa: N802
    pool = pool_of(catalog, TINY)
    pool.dtype = pool.terms.dtype = dtype
    return pool


def psnr(ours: Any, theirs: Any) -> float:
    error = float(np.mean((ours - theirs) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


# --- company -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIDE)
def test_unlike_jobs_in_one_forward_draw_what_each_draws_alone(
    tiny: Pool, tmp_path: Path, name: str
) -> None:
    flow = TINY[name][0] in ("sd3", "flux")
    samplers = ("flow-euler", "flow-heun", "flow-unipc") if flow else ("euler-a", "heun", "unipc")
    specs = {
        f"job-{nth}": spec_of(name, sampler, seed=nth, steps=3 + nth, guidance=1.0 + 2 * nth)
        for nth, sampler in enumerate(samplers)
    }
    together = Desk(tiny, tmp_path / "together")
    jobs = {}
    for job_id, spec in specs.items():
        together.admit(spec, job_id)
        jobs[job_id] = together.engine.running[job_id]
        together.steps(1)
    together.finish()
    for job_id, spec in specs.items():
        (alone,) = final_latents(Desk(tiny, tmp_path / job_id), spec)
        assert relative(jobs[job_id].trajectories[0].latents, alone) <= CLOSE
    most = sum(2 if spec.guidance > 1 and "flux" not in name else 1 for spec in specs.values())
    assert together.engine.counts["rows"] / together.engine.counts["forwards"] > most / 3


# --- the trained model ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline(catalog: Catalog) -> Any:
    """diffusers' own, from the same folder, untouched by ours."""
    loaded = StableDiffusionPipeline.from_pretrained(
        catalog.get("postcards").weights.path,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def drawn_by(pipeline: Any, spec: RenderSpec, index: int, output: str) -> Any:
    # The catalog's default is what the folder's scheduler says, so it must stay as it was loaded.
    original = pipeline.scheduler
    if spec.sampler != "dpm++2m-karras":
        pipeline.scheduler = build_scheduler(spec.sampler, original.config)
    try:
        return pipeline(
            prompt=spec.texts[0].text,
            negative_prompt=spec.negative or None,
            width=spec.width,
            height=spec.height,
            num_inference_steps=spec.steps,
            guidance_scale=spec.guidance,
            generator=torch.Generator("cpu").manual_seed(spec.image_seed(index)),
            output_type=output,
        ).images
    finally:
        pipeline.scheduler = original


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("sampler", ["dpm++2m-karras", "ddim", "euler-a", "heun", "unipc", "lcm"])
def test_the_trained_model_draws_what_the_pipeline_draws(
    desk: Desk, pipeline: Any, sampler: str, guidance: float
) -> None:
    spec = recipe(sampler=sampler, guidance=guidance, negative="a bird", steps=6)
    for index, ours in enumerate(final_latents(desk, spec)):
        assert relative(ours, drawn_by(pipeline, spec, index, "latent")) <= CLOSE


def test_pixels_equal_the_pipeline_in_another_shape_too(desk: Desk, pipeline: Any) -> None:
    spec = recipe(width=96, steps=12, images=1)
    picture = desk.render(spec).pictures[0]
    theirs = (drawn_by(pipeline, spec, 0, "np")[0] * 255).round()
    ours = np.frombuffer(picture.rgb, np.uint8).reshape(64, 96, 3)
    assert (picture.width, picture.height) == (96, 64)
    assert np.abs(ours - theirs).max() <= 1


def test_every_sampler_of_the_catalog_has_a_recipe() -> None:
    assert set(SAMPLERS) <= set(RECIPES)


def test_the_checkpoints_own_prediction_type_and_clipping_are_kept(pool: Pool) -> None:
    family = pool.get("postcards").family
    for name in samplers_of("sd15"):
        config = family.sampler(recipe(sampler=name, steps=4)).scheduler.config
        assert config["prediction_type"] == "v_prediction"
        assert not config.get("clip_sample", False)


def test_tiny_models_are_of_every_family() -> None:
    assert {kind for kind, _ in TINY.values()} == {"sd15", "sdxl", "sd3", "flux"}
