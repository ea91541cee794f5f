"""Our Stable Diffusion 1.5 beside diffusers' pipelines, both of the same numbers."""

from functools import cache
from typing import Any

import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)

from farm.engine.families import Origin, sd15
from farm.engine.samplers import build_scheduler, generator_for
from shared.spec import RenderSpec
from tests.farm.engine.families import tiny_sd15

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "inpainting": {"channels": 9},
    "lcm": {"distilled": True},
}


def fresh(kind: str, dtype: torch.dtype = torch.float32) -> sd15.StableDiffusion15:
    return sd15.from_pipeline(tiny_sd15.build(**KINDS[kind], dtype=dtype))


@cache
def reference_of(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    """The same weights in other modules, so that nothing the family does to its own is shared."""
    pipeline = tiny_sd15.build(**KINDS[kind], dtype=dtype)
    sd15.name_as_before(pipeline.text_encoder)
    return pipeline


def expected(
    kind: str,
    spec: RenderSpec,
    origin: Origin,
    *,
    dtype: torch.dtype = torch.float32,
    output: str = "latent",
) -> Any:
    """From diffusers' pipeline of this kind."""
    parts = reference_of(kind, dtype).components
    scheduler = build_scheduler(spec.sampler, parts["scheduler"].config)
    pipeline = _class(origin)(**parts | {"scheduler": scheduler}, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    asked = _asked(spec, origin) | {"output_type": output}
    return pipeline(**asked).images


def _class(origin: Origin) -> Any:
    if origin.picture is None:
        return StableDiffusionPipeline
    return StableDiffusionInpaintPipeline if origin.mask else StableDiffusionImg2ImgPipeline


def _asked(spec: RenderSpec, origin: Origin) -> dict[str, Any]:
    words: dict[str, Any] = {
        "prompt": spec.texts[0].text,
        "negative_prompt": spec.negative or None,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "eta": spec.eta,
        "clip_skip": spec.clip_skip or None,
        "generator": generator_for(spec.image_seed(0)),
    }
    size = {"width": spec.width, "height": spec.height}
    if origin.picture is None:
        return words | size | {"guidance_rescale": spec.rescale}
    source = {"image": origin.picture, "strength": spec.strength}
    return words | source | size | {"mask_image": origin.mask} if origin.mask else words | source
