"""A job alone is what diffusers' own pipeline draws with that seed."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from farm.engine.pool import Pool
from farm.engine.samplers import RECIPES, build_scheduler
from shared.catalog import SAMPLERS, Catalog
from shared.spec import RenderSpec
from tests.farm.engine.desk import Desk, recipe

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def pipeline(catalog: Catalog) -> Any:
    """diffusers' own, from the same folder, untouched by ours."""
    folder = catalog.get("postcards").folder
    loaded = StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def expected(pipeline: Any, spec: RenderSpec, index: int, output: str) -> Any:
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


def final_latents(desk: Desk, spec: RenderSpec) -> list[torch.Tensor]:
    desk.admit(spec)
    trajectories = desk.engine.running["job"].trajectories
    desk.finish()
    return [one.latents for one in trajectories]


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_job_alone_equals_the_pipeline(
    desk: Desk, pipeline: Any, sampler: str, guidance: float
) -> None:
    spec = recipe(sampler=sampler, guidance=guidance, negative="a bird", steps=6)
    for index, ours in enumerate(final_latents(desk, spec)):
        theirs = expected(pipeline, spec, index, "latent")
        assert relative_error(ours, theirs) <= TOLERANCE


def test_pixels_equal_the_pipeline_in_another_shape_too(desk: Desk, pipeline: Any) -> None:
    spec = recipe(width=96, steps=12, images=1)
    picture = desk.render(spec).pictures[0]
    theirs = (expected(pipeline, spec, 0, "np")[0] * 255).round()
    ours = np.frombuffer(picture.rgb, np.uint8).reshape(64, 96, 3)
    assert (picture.width, picture.height) == (96, 64)
    assert np.abs(ours - theirs).max() <= 1


def test_every_sampler_of_the_catalog_has_a_recipe() -> None:
    assert set(SAMPLERS) == set(RECIPES)


def test_the_checkpoints_own_prediction_type_and_clipping_are_kept(pool: Pool) -> None:
    family = pool.get("postcards").family
    for name in SAMPLERS:
        config = family.sampler(name, 4).scheduler.config
        assert config["prediction_type"] == "v_prediction"
        assert not config.get("clip_sample", False)
