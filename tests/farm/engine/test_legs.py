"""A way in two legs: the base draws the first part, its refiner the rest, through the engine's loop."""

from pathlib import Path
from typing import Any

import pytest
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from farm.engine.families import sdxl
from farm.engine.memory.pool import Pool
from shared.catalog import Catalog
from shared.spec import LoraUse, Refiner, RenderSpec
from tests.farm.engine.desk import Desk
from tests.farm.engine.families import drive, pair_sdxl, tiny_sdxl
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import CLOSE, final_latents, relative

BUILDS: Any = {
    "base": ("sdxl", lambda dtype: sdxl.from_pipeline(tiny_sdxl.build(dtype=dtype))),
    "refiner": (
        "sdxl",
        lambda dtype: sdxl.from_pipeline(tiny_sdxl.build(refiner=True, dtype=dtype)),
    ),
}


@pytest.fixture(scope="module")
def two(catalog: Catalog) -> Pool:
    return pool_of(catalog, BUILDS)


def spec_of(**changes: Any) -> RenderSpec:
    plain = {"checkpoint": "base", "steps": 8, "refiner": Refiner("refiner", at=0.6)}
    return drive.recipe(**plain | {"negative": "fog"} | changes)


def by_two_pipelines(spec: RenderSpec) -> Any:
    """As diffusers' documentation hands latents over."""
    assert spec.refiner is not None
    base, refiner = pair_sdxl.Pair(), pair_sdxl.Pair(refiner=True)
    asked = base.asked(spec) | {"output_type": "latent"}
    size = {"width": spec.width, "height": spec.height}
    first = base.pipeline(spec, StableDiffusionXLPipeline)
    half = first(**asked, **size, denoising_end=spec.refiner.at).images
    second = refiner.pipeline(spec, StableDiffusionXLImg2ImgPipeline)
    return second(**asked, image=half, denoising_start=spec.refiner.at).images


@pytest.mark.parametrize("sampler", ["euler", "dpm++2m", "ddim", "heun"])
def test_the_refiner_ends_what_the_base_began(two: Pool, tmp_path: Path, sampler: str) -> None:
    spec = spec_of(sampler=sampler)
    (ours,) = final_latents(Desk(two, tmp_path), spec)
    assert relative(ours, by_two_pipelines(spec)) <= CLOSE


def test_jobs_in_either_leg_and_without_one_share_what_they_can(two: Pool, tmp_path: Path) -> None:
    desk = Desk(two, tmp_path / "together")
    specs = {
        "early": spec_of(seed=1),
        "late": spec_of(seed=2),
        "plain": spec_of(seed=3, refiner=None),
        "worn": spec_of(seed=4, loras=()),
    }
    jobs = {}
    for name, spec in specs.items():
        desk.admit(spec, name)
        jobs[name] = desk.engine.running[name]
        desk.steps(3)
    desk.finish()
    for name, spec in specs.items():
        (alone,) = final_latents(Desk(two, tmp_path / name), spec)
        assert relative(jobs[name].trajectories[0].latents, alone) <= CLOSE


@pytest.mark.parametrize("after", [2, 6])
def test_a_killed_job_resumes_in_the_leg_it_was_in(two: Pool, tmp_path: Path, after: int) -> None:
    spec = spec_of(sampler="dpm++2m")
    (whole,) = final_latents(Desk(two, tmp_path / "whole"), spec)
    first = Desk(two, tmp_path / "shared")
    first.admit(spec)
    first.steps(after)
    stage = first.engine.running["job"].trajectories[0].stage
    first.engine.drain()
    second = Desk(two, tmp_path / "shared")
    second.admit(spec, attempt=2)
    one = second.engine.running["job"].trajectories[0]
    assert (one.stage, second.engine.running["job"].resumed_from) == (stage, after)
    second.finish()
    assert relative(one.latents, whole) <= 1e-6


def test_a_refiner_wears_nothing(two: Pool, tmp_path: Path) -> None:
    desk = Desk(two, tmp_path)
    desk.admit(spec_of(loras=(LoraUse("sepia"),)))
    assert desk.failed().code in ("unknown_adapter", "unfit_adapter"), "sepia is not for SDXL"


def test_progress_counts_both_legs(two: Pool, tmp_path: Path) -> None:
    desk = Desk(two, tmp_path)
    desk.admit(spec_of())
    job = desk.engine.running["job"]
    told = []
    while not job.finished:
        desk.steps(1)
        told.append(job.step)
    assert told == list(range(1, 9))


def test_a_checkpoint_that_is_no_refiner_is_refused(
    catalog: Catalog, two: Pool, tmp_path: Path
) -> None:
    desk = Desk(two, tmp_path)
    desk.admit(spec_of(refiner=Refiner("nobody")))
    assert desk.failed().code == "unknown_checkpoint"
