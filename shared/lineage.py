"""From a recipe to its relatives: reroll, vary, enlarge, zoom out, pan, make square, redraw, blend."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from math import isfinite

from shared import framing
from shared.catalog import Checkpoint, Size
from shared.errors import Refusal
from shared.framing import Direction as Direction
from shared.plans import Plan
from shared.sizes import fit
from shared.spec import (
    IMAGES,
    MOST_BLENDED,
    Placement,
    RenderKind,
    RenderSpec,
    Source,
    Variation,
    WeightedText,
)


class How(StrEnum):
    SUBTLE = "subtle"
    STRONG = "strong"


# Of the start noise towards a new seed. On the shipped model another seed moves a pixel by 19 of 255
# on average; 0.35 by 10, mostly beside the subject; 0.8 by 17, and the subject as well.
LEANING = {How.SUBTLE: 0.35, How.STRONG: 0.8}
# Of the steps, where there is only the picture itself: below 0.5 only its grain changes.
REDRAWN = {How.SUBTLE: 0.6, How.STRONG: 0.85}
SECOND_PASS = 0.3  # more lets the model draw its usual sizes into the enlarged picture
BLENDED = 0.5  # less shows all sources through each other; with 0.6 one of them is often lost
SURROUNDED = 0.65  # the colours around the source are there already
# A prompt is of its subject, and that is there too: told firmly, a model draws it a second time.
LOOSELY = 1.5
ZOOMS = (1.5, 2.0)
ENLARGED = (1.5, 2.0)


def reroll_spec(parent: RenderSpec, seed: int) -> RenderSpec:
    """The same recipe from another seed; a variation stays a variation of the same picture."""
    if parent.kind is RenderKind.UPSCALE:
        raise Refusal(
            "not_rerollable", "An upscaled picture has nothing to reroll; reroll its grid."
        )
    if parent.variation is None:
        return replace(parent, seed=seed)
    return replace(parent, variation=replace(parent.variation, seed=seed))


def vary_spec(
    parent: RenderSpec,
    index: int,
    *,
    seed: int,
    how: How = How.SUBTLE,
    source: Source | None = None,
) -> RenderSpec:
    """Four pictures near picture `index` of the parent, of the same prompt.

    What came from noise leans to new start noise. What came from a picture is redrawn from its
    own tile, `source`: its noise alone would not bring it back.
    """
    _check_picture(parent, index)
    if parent.kind is not RenderKind.TEXT:
        return _redrawn(parent, _needed(source), seed=seed, strength=REDRAWN[how])
    if parent.variation is None:
        return replace(
            parent, seed=parent.image_seed(index), variation=Variation(seed, LEANING[how])
        )
    before = ((_shown_seed(parent, index), parent.variation.strength),)
    earlier = parent.variation.earlier + before
    return replace(parent, variation=Variation(seed, LEANING[how], earlier))


def image_spec(spec: RenderSpec, source: Source, *, strength: float) -> RenderSpec:
    """The recipe of a prompt, but begun from a picture instead of noise."""
    _check_strength(strength)
    return _redrawn(spec, source, seed=spec.seed, strength=strength)


def upscale_spec(parent: RenderSpec, index: int, source: Source) -> RenderSpec:
    """Picture `index` of the parent, twice as large; no step is drawn anew."""
    _check_picture(parent, index)
    seed = _shown_seed(parent, index)
    larger = _from(parent, source, RenderKind.UPSCALE, seed=seed)
    return replace(larger, images=1, steps=0, scale=2 * parent.scale, upscaler="lanczos")


def upscale_latent_spec(
    parent: RenderSpec,
    index: int,
    source: Source,
    *,
    checkpoint: Checkpoint,
    factor: float = ENLARGED[-1],
) -> RenderSpec:
    """Picture `index` with more native pixels: enlarged, then its details are drawn anew."""
    _check_picture(parent, index)
    if factor not in ENLARGED:
        raise _not_among("factor", "A second pass enlarges", ENLARGED)
    width, height = _larger((parent.width, parent.height), factor, checkpoint)
    larger = _from(parent, source, RenderKind.UPSCALE, seed=_shown_seed(parent, index))
    return replace(
        larger,
        images=1,
        width=width,
        height=height,
        upscaler="latent",
        strength=SECOND_PASS,
        stop=1.0,  # a picture that was stopped is soft; this pass is to make it sharp
    )


def zoom_spec(
    parent: RenderSpec, index: int, source: Source, *, factor: float, seed: int
) -> RenderSpec:
    """Four pictures with picture `index` in the middle, `factor` times smaller."""
    _check_picture(parent, index)
    if factor not in ZOOMS:
        raise _not_among("factor", "Zooming out goes", ZOOMS)
    size = parent.width, parent.height
    return _outpainted(parent, source, size, framing.zoomed(size, factor), seed=seed)


def pan_spec(
    parent: RenderSpec,
    index: int,
    source: Source,
    *,
    direction: Direction,
    checkpoint: Checkpoint,
    seed: int,
) -> RenderSpec:
    """Four pictures that show more of one side of picture `index`."""
    _check_picture(parent, index)
    size, place = framing.panned((parent.width, parent.height), direction, checkpoint)
    return _outpainted(parent, source, size, place, seed=seed)


def square_spec(
    parent: RenderSpec, index: int, source: Source, *, checkpoint: Checkpoint, seed: int
) -> RenderSpec:
    """Four square pictures with all of picture `index` in the middle."""
    _check_picture(parent, index)
    if parent.width == parent.height:
        raise Refusal("already_square", "This picture is square already. Zoom out or pan instead.")
    size, place = framing.squared((parent.width, parent.height), checkpoint)
    return _outpainted(parent, source, size, place, seed=seed)


def inpaint_spec(
    parent: RenderSpec,
    index: int,
    source: Source,
    *,
    mask: Source,
    seed: int,
    texts: tuple[WeightedText, ...] = (),
) -> RenderSpec:
    """Four pictures like picture `index`, drawn anew where `mask` is white, perhaps of other words."""
    _check_picture(parent, index)
    redrawn = _from(parent, source, RenderKind.INPAINT, seed=seed)
    return replace(redrawn, mask=mask, texts=texts or parent.texts)


def blend_spec(
    sources: Sequence[Source],
    shares: Sequence[float] = (),
    *,
    checkpoint: Checkpoint,
    plan: Plan,
    seed: int,
    texts: tuple[WeightedText, ...] = (),
    aspect: Size = (1, 1),
) -> RenderSpec:
    """Four pictures that hold something of each source, by its share (none: of all alike)."""
    _check_blend(sources, shares)
    width, height = fit(aspect, checkpoint)
    return RenderSpec(
        checkpoint=checkpoint.name,
        texts=texts or (WeightedText(""),),
        negative="",
        width=width,
        height=height,
        steps=min(checkpoint.steps, plan.step_budget),
        guidance=checkpoint.guidance,
        sampler=checkpoint.sampler,
        seed=seed,
        images=IMAGES,
        scale=checkpoint.scale,
        pixel_art=checkpoint.pixel_art,
        kind=RenderKind.BLEND,
        sources=tuple(sources),
        shares=tuple(shares),
        strength=BLENDED,
    )


# --- what they share -----------------------------------------------------------------------------


def _redrawn(parent: RenderSpec, source: Source, *, seed: int, strength: float) -> RenderSpec:
    return replace(_from(parent, source, RenderKind.IMAGE, seed=seed), strength=strength)


def _outpainted(
    parent: RenderSpec, source: Source, size: Size, place: Placement, *, seed: int
) -> RenderSpec:
    """A ControlNet's hint was of the picture as it stood, not of where it stands now."""
    outpainted = _from(parent, source, RenderKind.OUTPAINT, seed=seed)
    return replace(
        outpainted,
        width=size[0],
        height=size[1],
        placement=place,
        strength=SURROUNDED,
        guidance=min(parent.guidance, LOOSELY),
        controls=(),
    )


def _from(parent: RenderSpec, source: Source, kind: RenderKind, *, seed: int) -> RenderSpec:
    """The parent's recipe with nothing of how the parent itself began."""
    return replace(
        parent,
        kind=kind,
        sources=(source,),
        seed=seed,
        images=IMAGES,
        variation=None,
        shares=(),
        strength=1.0,
        mask=None,
        placement=None,
        upscaler="",
    )


def _larger(size: Size, factor: float, checkpoint: Checkpoint) -> Size:
    """Only the area counts: the composition is there, so no trained shape is needed for it."""
    unit = checkpoint.multiple
    width, height = (round(side * factor / unit) * unit for side in size)
    if width * height > checkpoint.max_area:
        sentence = (
            f"{checkpoint.title} cannot draw {width}x{height}, its {size[0]}x{size[1]} enlarged"
            f" {factor:g} times. Use the upscale that draws nothing anew."
        )
        raise Refusal("too_large", sentence, field="factor")
    return width, height


def _shown_seed(spec: RenderSpec, index: int) -> int:
    first = spec.variation.seed if spec.variation else spec.seed
    return (first + index) % 2**32


def _needed(source: Source | None) -> Source:
    if source is None:
        sentence = "The picture to vary is missing. Choose one of a finished grid."
        raise Refusal("source_missing", sentence, field="source")
    return source


def _check_picture(parent: RenderSpec, index: int) -> None:
    if parent.kind is RenderKind.UPSCALE:
        sentence = "This picture is upscaled already. Use the buttons under the grid it came from."
        raise Refusal("already_upscaled", sentence)
    if not 0 <= index < parent.images:
        raise Refusal("no_such_picture", f"That grid has the pictures 1 to {parent.images}.")


def _check_strength(strength: float) -> None:
    if not 0 < strength <= 1:
        sentence = f"A strength lies above 0 and is at most 1, not {strength:g}. Try 0.6."
        raise Refusal("invalid_value", sentence, field="strength")


def _check_blend(sources: Sequence[Source], shares: Sequence[float]) -> None:
    if not 2 <= len(sources) <= MOST_BLENDED:
        sentence = f"A blend takes 2 to {MOST_BLENDED} pictures, not {len(sources)}."
        raise Refusal("invalid_value", sentence, field="sources")
    if len(shares) not in (0, len(sources)):
        sentence = f"{len(shares)} shares do not go with {len(sources)} pictures. Give one to each."
        raise Refusal("invalid_value", sentence, field="shares")
    if not all(isfinite(share) and share > 0 for share in shares):
        sentence = "Every picture's share lies above 0. Leave out what is to have none."
        raise Refusal("invalid_value", sentence, field="shares")


def _not_among(field: str, beginning: str, choices: Sequence[float]) -> Refusal:
    named = " or ".join(f"{choice:g}" for choice in choices)
    return Refusal("invalid_value", f"{beginning} {named} times.", field=field)
