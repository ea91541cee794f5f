"""Our Stable Diffusion 3 beside diffusers' pipelines, both of the same numbers."""

from functools import cache, partial
from typing import Any

import torch
from diffusers import (
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusion3Pipeline,
)
from torch import Tensor

from farm.engine.families import Origin, sd3
from farm.engine.families.sd3 import StableDiffusion3
from farm.engine.samplers import build_scheduler, generator_for
from shared.spec import RenderKind, RenderSpec
from tests.farm.engine.families import drive, tiny_sd3

CLOSE = 1e-4
WIDE, TALL = (64, 32), (32, 64)
KINDS: dict[str, dict[str, Any]] = {
    "with T5": {},
    "without T5": {"t5": False},
    "shifting": {"shifting": True},
    "4 channels": {"channels": 4},
    "inpainting": {"seen": 33},
}


@cache
def family_of(kind: str, dtype: torch.dtype = torch.float32) -> StableDiffusion3:
    return fresh(kind, dtype)


def fresh(kind: str, dtype: torch.dtype = torch.float32) -> StableDiffusion3:
    pipeline = tiny_sd3.build(**KINDS[kind], dtype=dtype)
    return sd3.from_pipeline(pipeline, text_length=tiny_sd3.TEXT_LENGTH)


@cache
def reference_of(kind: str, dtype: torch.dtype = torch.float32) -> StableDiffusion3Pipeline:
    """The same weights in other modules, so that nothing the family does to its own is shared."""
    return tiny_sd3.build(**KINDS[kind], dtype=dtype)


def recipe(size: tuple[int, int] = WIDE, **changes: Any) -> RenderSpec:
    plain = {"width": size[0], "height": size[1], "sampler": "flow-euler", "negative": "fog"}
    return drive.recipe(**plain | changes)


def redrawn(way: RenderKind) -> dict[str, Any]:
    return {"kind": way, "strength": 1.0 if way is RenderKind.TEXT else 0.6, "steps": 5}


def origin_of(spec: RenderSpec) -> Origin:
    if spec.kind is RenderKind.TEXT:
        return Origin()
    size = (spec.width, spec.height)
    masked = spec.kind is RenderKind.INPAINT
    return Origin(drive.picture(3, *size), drive.mask(size[0] // 3, *size) if masked else None)


def told(spec: RenderSpec, generator: torch.Generator) -> dict[str, Any]:
    origin = origin_of(spec)
    words: dict[str, Any] = {
        "prompt": spec.texts[0].text,
        "negative_prompt": spec.negative,
        "width": spec.width,
        "height": spec.height,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "generator": generator,
        "max_sequence_length": tiny_sd3.TEXT_LENGTH,
        "clip_skip": spec.clip_skip or None,
    }
    if origin.picture is not None:
        words |= {"image": origin.picture, "strength": spec.strength}
    if origin.mask is not None:
        words |= {"mask_image": origin.mask}
    return words


def expected(
    kind: str, spec: RenderSpec, *, dtype: torch.dtype = torch.float32, output: str = "latent"
) -> Any:
    """From diffusers' pipeline. It hands its scheduler no generator; here the job's own is."""
    parts, generator = reference_of(kind, dtype).components, generator_for(spec.seed)
    scheduler = build_scheduler(spec.sampler, parts["scheduler"].config)
    if spec.sampler == "flow-lcm":
        scheduler.step = partial(scheduler.step, generator=generator)
    classes = {
        RenderKind.TEXT: StableDiffusion3Pipeline,
        RenderKind.IMAGE: StableDiffusion3Img2ImgPipeline,
        RenderKind.INPAINT: StableDiffusion3InpaintPipeline,
    }
    pipeline = classes[spec.kind](**parts | {"scheduler": scheduler})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(**told(spec, generator), output_type=output).images


def drawn(kind: str, spec: RenderSpec) -> Tensor:
    return drive.draw(family_of(kind), spec, origin_of(spec)).latents
