"""RenderSpec: the deterministic recipe of one job. The same spec gives the same pixels."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.abilities import require_ability
from shared.beginnings import beginning_of
from shared.catalog import Catalog, Checkpoint
from shared.errors import Refusal
from shared.ingredients import ControlUse as ControlUse
from shared.ingredients import LoraUse as LoraUse
from shared.ingredients import Placement as Placement
from shared.ingredients import ReferenceUse as ReferenceUse
from shared.ingredients import Refiner as Refiner
from shared.ingredients import RenderKind as RenderKind
from shared.ingredients import SizeHint as SizeHint
from shared.ingredients import Source as Source
from shared.ingredients import Sources as Sources
from shared.ingredients import Variation as Variation
from shared.looks import look_of
from shared.parameterhelp import check_range
from shared.parameters import PARAMETERS
from shared.plans import Plan
from shared.prompt import Prompt
from shared.sizes import enlarged, fit, fits
from shared.stepcounts import steps_of, stop_of
from shared.weights import WeightedText as WeightedText
from shared.weights import unwanted

IMAGES = 4  # a grid
MOST_BLENDED = 5
NO_SOURCES = Sources()
MOST_CHAOS, MOST_WEIRD = 100, 3000  # as they are typed


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
    `style_codes` are what its look was mixed by: they change nothing here, and may be asked for again.
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
    style_codes: tuple[int, ...] = ()

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
    prompt: Prompt,
    checkpoint: Checkpoint,
    *,
    plan: Plan,
    seed: int,
    copy: int = 0,
    catalog: Catalog | None = None,
    sources: Sources = NO_SOURCES,
) -> RenderSpec:
    """The recipe of one grid. `seed` serves if the prompt names none, and draws random style codes; `copy`
    counts --repeat from 0. Refusal for what this checkpoint, with what the catalog has for it, cannot do."""
    _check_asked(prompt, checkpoint, plan)
    shelf = catalog or Catalog({checkpoint.name: checkpoint}, checkpoint.name)
    width, height = fit(prompt.aspect or (1, 1), checkpoint)
    if prompt.hires:
        enlarged((width, height), prompt.hires, checkpoint, field="hires")
    first = seed if prompt.seed is None else prompt.seed
    guidance = checkpoint.guidance if prompt.guidance is None else prompt.guidance
    check_range("seed", first)
    check_range("guidance", guidance)
    steps = steps_of(prompt, checkpoint, plan)
    look = look_of(prompt, checkpoint, shelf, seed)
    begun = beginning_of(prompt, checkpoint, shelf, sources)
    return RenderSpec(
        checkpoint=checkpoint.name,
        texts=look.texts,
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
        kind=begun.kind,
        sources=begun.sources,
        strength=begun.strength,
        stop=stop_of(prompt, round(steps * begun.strength)),
        loras=look.loras,
        controls=begun.controls,
        references=begun.references,
        chaos=(prompt.chaos or 0) / MOST_CHAOS,
        weird=(prompt.weird or 0) / MOST_WEIRD,
        tile=prompt.tile,
        hires=prompt.hires or 0.0,
        style_codes=look.codes,
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


def _check_asked(prompt: Prompt, checkpoint: Checkpoint, plan: Plan) -> None:
    """What no grammar checked is checked here too."""
    if prompt.repeat > plan.max_repeat:
        raise _too_many_repeats(prompt, plan)
    for one in PARAMETERS:
        said = getattr(prompt, one.field) if one.ability else None
        if said:
            require_ability(checkpoint, one.ability, field=one.field)
    for field in ("chaos", "weird"):
        check_range(field, getattr(prompt, field) or 0)
    if unwanted(prompt.texts):
        require_ability(checkpoint, "negative", field="prompt")


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
