"""Our Flux beside diffusers' pipelines, both of the same numbers."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from farm.engine.families import Origin, flux
from farm.engine.families.flux import Flux
from shared.spec import RenderKind, RenderSpec
from tests.farm.engine.families import drive, tiny_flux

CLOSE = 1e-4
WIDE, TALL = (64, 32), (32, 64)
KINDS = tiny_flux.KINDS


@cache
def family_of(kind: str, dtype: torch.dtype = torch.float32) -> Flux:
    return fresh(kind, dtype)


def fresh(kind: str, dtype: torch.dtype = torch.float32) -> Flux:
    pipeline = tiny_flux.build(**KINDS[kind], dtype=dtype)
    return flux.from_pipeline(pipeline, true_cfg=kind == "true", text_length=tiny_flux.TEXT_LENGTH)


def recipe(size: tuple[int, int] = WIDE, **changes: Any) -> RenderSpec:
    plain = {"width": size[0], "height": size[1], "sampler": "flow-euler", "guidance": 3.5}
    return drive.recipe(**plain | changes)


def origin_of(spec: RenderSpec) -> Origin:
    if spec.kind is RenderKind.TEXT:
        return Origin()
    size = (spec.width, spec.height)
    masked = spec.kind is RenderKind.INPAINT
    return Origin(drive.picture(3, *size), drive.mask(size[0] // 3, *size) if masked else None)


def expected(kind: str, spec: RenderSpec, **rest: Any) -> Any:
    return tiny_flux.draw(kind, spec, origin_of(spec), **rest)


def drawn(kind: str, spec: RenderSpec) -> Tensor:
    """Packed, as the pipelines give them."""
    return drive.draw(family_of(kind), spec, origin_of(spec)).latents.flatten(1, 2)


def redrawn(way: RenderKind) -> dict[str, Any]:
    """Text alone has no strength: there it must change nothing."""
    return {"kind": way, "strength": 0.6, "steps": 5}
