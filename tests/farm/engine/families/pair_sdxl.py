"""Our SDXL beside diffusers' pipelines, both of the same numbers."""

from typing import Any

from diffusers import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)

from farm.engine.families import Origin
from farm.engine.families.sdxl import StableDiffusionXL, from_pipeline
from farm.engine.samplers import build_scheduler, generator_for
from shared.spec import RenderKind, RenderSpec, SizeHint
from tests.farm.engine.families import drive, tiny_sdxl

PICTURE = drive.picture(1)
ORIGINS = {
    RenderKind.TEXT: Origin(),
    RenderKind.IMAGE: Origin(PICTURE),
    RenderKind.INPAINT: Origin(PICTURE, drive.mask(24)),
}


class Pair:
    """Built apart, so that nothing that ours does to its parts can be seen by the others."""

    def __init__(self, **options: Any) -> None:
        self.ours: StableDiffusionXL = from_pipeline(tiny_sdxl.build(**options))
        self.parts = tiny_sdxl.build(**options)

    def compare(self, spec: RenderSpec, **call: Any) -> float:
        """The largest difference of the final latents; `call` goes to diffusers alone."""
        origin = ORIGINS[spec.kind]
        found = drive.draw(self.ours, spec, origin).latents
        return drive.relative(found, self.theirs(spec, origin, output_type="latent", **call))

    def theirs(self, spec: RenderSpec, origin: Origin, **call: Any) -> Any:
        """What diffusers' pipeline of this kind draws."""
        asked = self.asked(spec) | _pictures(spec, origin) | call
        return self.pipeline(spec, _kind(origin))(**asked).images

    @staticmethod
    def asked(spec: RenderSpec) -> dict[str, Any]:
        """The spec in the words of diffusers' pipelines."""
        hint = spec.size_hint or SizeHint((spec.height, spec.width))
        return {
            "prompt": spec.texts[0].text,
            "negative_prompt": spec.negative or None,
            "num_inference_steps": spec.steps,
            "guidance_scale": spec.guidance,
            "guidance_rescale": spec.rescale,
            "eta": spec.eta,
            "clip_skip": spec.clip_skip or None,
            "original_size": hint.original,
            "crops_coords_top_left": hint.crop,
            "generator": generator_for(spec.image_seed(0)),
        }

    def pipeline(self, spec: RenderSpec, kind: Any, **parts: Any) -> Any:
        scheduler = build_scheduler(spec.sampler, self.parts.scheduler.config)
        return tiny_sdxl.alike(self.parts, kind, scheduler=scheduler, **parts)


def _kind(origin: Origin) -> Any:
    if origin.picture is None:
        return StableDiffusionXLPipeline
    return StableDiffusionXLInpaintPipeline if origin.mask else StableDiffusionXLImg2ImgPipeline


def _pictures(spec: RenderSpec, origin: Origin) -> dict[str, Any]:
    size = {"width": spec.width, "height": spec.height}
    if origin.picture is None:
        return size
    source = {"image": origin.picture, "strength": spec.strength}
    return source | size | {"mask_image": origin.mask} if origin.mask else source
