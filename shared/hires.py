"""--hires: a picture drawn at its size, and then once more with more pixels. Pure."""

from dataclasses import replace

from shared.catalog import Checkpoint, Size
from shared.sizes import enlarged
from shared.spec import RenderKind, RenderSpec

SECOND_PASS = (
    0.3  # of the steps; more lets the model draw its usual sizes into the enlarged picture
)


def drawn_size(spec: RenderSpec, checkpoint: Checkpoint) -> Size:
    """Native pixels of what comes out. Refusal `too_large` where the checkpoint cannot draw so much."""
    size = spec.width, spec.height
    return enlarged(size, spec.hires, checkpoint, field="hires") if spec.hires else size


def strength_of(share: float, steps: int) -> float:
    """At least one step is drawn anew, and rounding never makes it none."""
    return min(1.0, (max(1, round(steps * share)) + 0.5) / steps)


def second_pass(spec: RenderSpec, checkpoint: Checkpoint) -> RenderSpec:
    """What is drawn after the first pass: begun from its picture, and from no stored one."""
    width, height = drawn_size(spec, checkpoint)
    return replace(
        spec,
        kind=RenderKind.UPSCALE,
        width=width,
        height=height,
        sources=(),
        shares=(),
        strength=strength_of(checkpoint.second_pass, spec.steps),
        variation=None,
        hires=0.0,
        chaos=0.0,
    )
