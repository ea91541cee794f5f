"""From a recipe to its relatives: reroll, vary, enlarge, zoom out, pan, make square, redraw, blend."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from shared import framing
from shared.ancestry import (
    check_blend,
    check_factor,
    check_picture,
    check_strength,
    check_words,
    needed,
)
from shared.catalog import Checkpoint, Size
from shared.errors import Refusal
from shared.framing import Direction as Direction
from shared.hires import drawn_size, strength_of
from shared.plans import Plan
from shared.sizes import enlarged, fit
from shared.spec import (
    IMAGES,
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


class Upscale(StrEnum):
    SUBTLE = "subtle"
    CREATIVE = "creative"


# Of the start noise towards a new seed. On the shipped model another seed moves a pixel by 19 of 255
# on average; 0.35 by 10, mostly beside the subject; 0.8 by 17, and the subject as well.
LEANING = {How.SUBTLE: 0.35, How.STRONG: 0.8}
# Of the steps, where there is only the picture itself: below 0.5 only its grain changes.
REDRAWN = {How.SUBTLE: 0.6, How.STRONG: 0.85}
SECOND_PASS = {Upscale.SUBTLE: 0.6, Upscale.CREATIVE: 1.0}  # of what the checkpoint says of one
BLENDED = 0.5  # less shows all sources through each other; with 0.6 one of them is often lost
SURROUNDED = 0.65  # the colours around the source are there already
# A prompt is of its subject, and that is there too: told firmly, a model draws it a second time.
LOOSELY = 1.5
MOST_ZOOMED = 2.0
MOST_ENLARGED = 2.0


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
    check_picture(parent, index)
    if parent.kind is not RenderKind.TEXT:
        return _redrawn(parent, needed(source), seed=seed, strength=REDRAWN[how])
    if parent.variation is None:
        return replace(
            parent, seed=parent.image_seed(index), variation=Variation(seed, LEANING[how])
        )
    before = ((_shown_seed(parent, index), parent.variation.strength),)
    earlier = parent.variation.earlier + before
    return replace(parent, variation=Variation(seed, LEANING[how], earlier))


def image_spec(spec: RenderSpec, source: Source, *, strength: float) -> RenderSpec:
    """The recipe of a prompt, but begun from a picture instead of noise."""
    check_strength(strength)
    return _redrawn(spec, source, seed=spec.seed, strength=strength)


def upscale_spec(
    parent: RenderSpec, index: int, source: Source, *, checkpoint: Checkpoint
) -> RenderSpec:
    """Picture `index` of the parent, twice as large; no step is drawn anew."""
    check_picture(parent, index)
    width, height = drawn_size(parent, checkpoint)
    larger = _from(parent, source, RenderKind.UPSCALE, seed=_shown_seed(parent, index))
    return replace(
        larger,
        images=1,
        steps=0,
        width=width,
        height=height,
        scale=2 * parent.scale,
        upscaler="lanczos",
    )


def upscale_latent_spec(
    parent: RenderSpec,
    index: int,
    source: Source,
    *,
    checkpoint: Checkpoint,
    how: Upscale = Upscale.SUBTLE,
    factor: float = MOST_ENLARGED,
) -> RenderSpec:
    """Picture `index` with more native pixels: enlarged, then its details are drawn anew."""
    check_picture(parent, index)
    check_factor(factor, "A second pass enlarges", MOST_ENLARGED)
    width, height = enlarged(drawn_size(parent, checkpoint), factor, checkpoint)
    larger = _from(parent, source, RenderKind.UPSCALE, seed=_shown_seed(parent, index))
    return replace(
        larger,
        images=1,
        width=width,
        height=height,
        upscaler="latent",
        strength=strength_of(SECOND_PASS[how] * checkpoint.second_pass, parent.steps),
        stop=1.0,  # a picture that was stopped is soft; this pass is to make it sharp
        chaos=0.0,
    )


def zoom_spec(
    parent: RenderSpec, index: int, source: Source, *, factor: float, seed: int
) -> RenderSpec:
    """Four pictures with picture `index` in the middle, `factor` times smaller."""
    check_picture(parent, index)
    check_factor(factor, "Zooming out goes", MOST_ZOOMED)
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
    check_picture(parent, index)
    size, place = framing.panned((parent.width, parent.height), direction, checkpoint)
    return _outpainted(parent, source, size, place, seed=seed)


def square_spec(
    parent: RenderSpec, index: int, source: Source, *, checkpoint: Checkpoint, seed: int
) -> RenderSpec:
    """Four square pictures with all of picture `index` in the middle."""
    check_picture(parent, index)
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
    check_picture(parent, index)
    redrawn = _from(parent, source, RenderKind.INPAINT, seed=seed)
    return replace(redrawn, mask=mask, texts=texts or parent.texts)


def region_spec(
    parent: RenderSpec,
    index: int,
    source: Source,
    *,
    words: str,
    seed: int,
    texts: tuple[WeightedText, ...] = (),
) -> RenderSpec:
    """Four pictures like picture `index`, drawn anew where the words name something in it."""
    check_picture(parent, index)
    check_words(words)
    redrawn = _from(parent, source, RenderKind.INPAINT, seed=seed)
    return replace(redrawn, region=words.strip(), texts=texts or parent.texts)


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
    check_blend(sources, shares)
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
        hires=0.0,
        region="",
    )


def _shown_seed(spec: RenderSpec, index: int) -> int:
    first = spec.variation.seed if spec.variation else spec.seed
    return (first + index) % 2**32
