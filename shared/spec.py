"""RenderSpec: the deterministic recipe of one job. The same spec gives the same pixels."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from shared.catalog import Checkpoint
from shared.errors import Refusal
from shared.parameterhelp import check_range
from shared.plans import Plan
from shared.prompt import Prompt
from shared.sizes import fit, fits
from shared.weights import WeightedText as WeightedText

IMAGES = 4  # a grid
MOST_BLENDED = 5
FEWEST_DRAWN = 2  # steps before --stop: after one even an image filter sees nothing it knows


@dataclass(frozen=True, slots=True)
class Variation:
    """Start noise leans from the parent's towards a new seed by `strength` in 0..1 (slerp).

    The parent's own start noise may be a variation: `earlier` are the (seed, strength) pairs that
    led from `RenderSpec.seed` to it, oldest first, each applied by the same slerp.
    """

    seed: int
    strength: float
    earlier: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A stored picture that this job starts from; `sha256` is of the stored file's bytes."""

    key: str
    sha256: str


class RenderKind(StrEnum):
    """What the engine starts from, and so what it draws."""

    TEXT = "text"  # pure noise
    IMAGE = "image"  # a source, noised by `strength`
    INPAINT = "inpaint"  # a source; only where `mask` is white is it drawn anew
    OUTPAINT = "outpaint"  # a source on a larger canvas; what surrounds it is drawn
    UPSCALE = "upscale"  # a source, enlarged: Lanczos (no step), or a latent second pass
    BLEND = "blend"  # two to five sources, mixed by their shares; none are equal ones


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the source of an outpainting lies on the canvas, in native pixels.

    It is resized to this; what reaches over the canvas is cut off.
    """

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LoraUse:
    """`name` is a LoRA of the catalog; `weight` multiplies what it adds, and may be negative."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ControlUse:
    """A ControlNet and its picture. It acts in the steps from share `start` to share `end` of all.

    `preprocessor` makes the hint from the source: "" (it is one already), canny, scribble, depth.
    """

    name: str
    source: Source
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    preprocessor: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceUse:
    """An IP-Adapter and the picture whose look it lends."""

    name: str
    source: Source
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Refiner:
    """Another checkpoint that draws the steps from share `at` (0..1) of all to the end."""

    checkpoint: str
    at: float = 0.8


@dataclass(frozen=True, slots=True)
class SizeHint:
    """What SDXL is told of the picture's past, in pixels: original (height, width), crop (top, left)."""

    original: tuple[int, int]
    crop: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """Sizes are the checkpoint's native pixels; a delivered picture is `scale` times larger.

    Image i of the job starts from seed `(seed + i) mod 2**32` with its own generator.
    `strength` is the share of the steps that a source is drawn anew for (1: all of them); `stop`
    the share of the steps after which the picture is taken as it is; `eta` DDIM's noise; `rescale`
    guidance rescale (arXiv 2305.08891); `clip_skip` text encoder layers left out at the end;
    `shares` weigh the sources of a blend; `upscaler` is lanczos or latent. `chaos` (0..1) is how far the
    pictures of a grid stray from each other, `weird` (0..1) how far all of them stray from the usual;
    `tile`: its edges meet. `hires`: drawn at its size and then once more so many times larger, 0 for no
    second pass. `region`: what of the source is drawn anew, in words, where there is no mask.
    """

    checkpoint: str
    texts: tuple[WeightedText, ...]
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    sampler: str
    seed: int
    images: int
    scale: int
    pixel_art: bool = False
    variation: Variation | None = None
    kind: RenderKind = RenderKind.TEXT
    sources: tuple[Source, ...] = ()
    shares: tuple[float, ...] = ()
    strength: float = 1.0
    mask: Source | None = None
    placement: Placement | None = None
    upscaler: str = ""
    rescale: float = 0.0
    clip_skip: int = 0
    eta: float = 0.0
    stop: float = 1.0
    loras: tuple[LoraUse, ...] = ()
    controls: tuple[ControlUse, ...] = ()
    references: tuple[ReferenceUse, ...] = ()
    embeddings: tuple[str, ...] = ()
    vae: str = ""
    refiner: Refiner | None = None
    size_hint: SizeHint | None = None
    chaos: float = 0.0
    weird: float = 0.0
    tile: bool = False
    hires: float = 0.0
    region: str = ""

    @property
    def pictures(self) -> tuple[Source, ...]:
        """Every stored picture that is needed to draw it, once each."""
        hints = [one.source for one in self.controls]
        looks = [one.source for one in self.references]
        masks = [self.mask] if self.mask else []
        return tuple(dict.fromkeys([*self.sources, *masks, *hints, *looks]))

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> "RenderSpec":
        """ValueError that names the field, for what is no spec."""
        return msgspec.convert(dict(raw), RenderSpec)

    def sha256(self) -> str:
        """Hash of the canonical JSON: a snapshot of another spec is refused by it."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def image_seed(self, index: int) -> int:
        return (self.seed + index) % 2**32


def resolve(
    prompt: Prompt, checkpoint: Checkpoint, *, plan: Plan, seed: int, copy: int = 0
) -> RenderSpec:
    """The recipe of one grid. `seed` serves if the prompt names none; `copy` counts --repeat from 0."""
    if prompt.repeat > plan.max_repeat:
        raise _too_many_repeats(prompt, plan)
    width, height = fit(prompt.aspect or (1, 1), checkpoint)
    first = seed if prompt.seed is None else prompt.seed
    guidance = checkpoint.guidance if prompt.guidance is None else prompt.guidance
    check_range("seed", first)
    check_range("guidance", guidance)
    steps = _steps(prompt, checkpoint, plan)
    return RenderSpec(
        checkpoint=checkpoint.name,
        texts=prompt.texts,
        negative=", ".join(prompt.negative),
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        sampler=_sampler(prompt.sampler or checkpoint.sampler, checkpoint),
        seed=(first + copy * IMAGES) % 2**32,
        images=IMAGES,
        scale=checkpoint.scale,
        pixel_art=checkpoint.pixel_art,
        stop=_stop(prompt, steps),
    )


def size_notice(prompt: Prompt, spec: RenderSpec, checkpoint: Checkpoint) -> str | None:
    """A sentence for when the picture will not have quite the shape that was asked for."""
    aspect = prompt.aspect or (1, 1)
    if fits(aspect, (spec.width, spec.height)):
        return None
    shown = f"{spec.width * spec.scale}x{spec.height * spec.scale}"
    return (
        f"{checkpoint.title} draws {aspect[0]}:{aspect[1]} as {shown}, the nearest size it knows."
    )


def _stop(prompt: Prompt, steps: int) -> float:
    if prompt.stop is None:
        return 1.0
    check_range("stop", prompt.stop)
    if prompt.stop < 100 and round(steps * prompt.stop / 100) < FEWEST_DRAWN:
        raise _stopped_too_early(prompt.stop, steps)
    return prompt.stop / 100


def _stopped_too_early(stop: int, steps: int) -> Refusal:
    enough = (share for share in range(stop, 100) if round(steps * share / 100) >= FEWEST_DRAWN)
    least = next(enough, None)
    advice = f"Write --stop {least} or more" if least else "Leave it out"
    sentence = f"--stop {stop} of {steps} steps leaves one, and one shows nothing. {advice}."
    return Refusal("stopped_too_early", sentence, field="stop")


def _steps(prompt: Prompt, checkpoint: Checkpoint, plan: Plan) -> int:
    if prompt.steps is not None and prompt.quality is not None:
        raise _steps_twice()
    wanted = prompt.steps
    if prompt.quality is not None:
        wanted = max(checkpoint.min_steps, round(checkpoint.steps * prompt.quality))
    if wanted is None:
        wanted = min(checkpoint.steps, plan.step_budget)
    if wanted > plan.step_budget:
        raise _too_many_steps(prompt, wanted, plan)
    check_range("steps", wanted)
    if wanted < checkpoint.min_steps:
        raise _too_few_steps(wanted, checkpoint)
    return wanted


def _steps_twice() -> Refusal:
    sentence = "--steps and --quality both set the steps. Keep one of them, for example --steps 20."
    return Refusal("conflicting_parameters", sentence, field="steps")


def _too_few_steps(wanted: int, checkpoint: Checkpoint) -> Refusal:
    least = checkpoint.min_steps
    asked = (
        f"--steps {wanted} is too few for {checkpoint.title}, which needs {least} to draw well. "
    )
    return Refusal("too_few_steps", f"{asked}Write --steps {least} or more.", field="steps")


def _too_many_steps(prompt: Prompt, wanted: int, plan: Plan) -> Refusal:
    by_steps = prompt.steps is not None
    asked = f"--steps {wanted}" if by_steps else f"--quality {prompt.quality:g} ({wanted} steps)"
    sentence = f"{asked} is more than the {plan.title} plan's {plan.step_budget} steps a picture. "
    fix = f"Write --steps {plan.step_budget} or fewer" + (
        "." if by_steps else ", or a lower --quality."
    )
    return Refusal("too_many_steps", sentence + fix, field="steps" if by_steps else "quality")


def _too_many_repeats(prompt: Prompt, plan: Plan) -> Refusal:
    asked = f"--repeat {prompt.repeat} is more than the {plan.title} plan allows. "
    fix = f"Write --repeat {plan.max_repeat} or fewer."
    return Refusal("too_many_repeats", asked + fix, field="repeat")


def _sampler(name: str, checkpoint: Checkpoint) -> str:
    if name not in checkpoint.samplers:
        sentence = f"{checkpoint.title} does not use --sampler {name}. Choose one of: "
        raise Refusal(
            "unknown_sampler", f"{sentence}{', '.join(checkpoint.samplers)}.", field="sampler"
        )
    return name
