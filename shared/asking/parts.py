"""One picture that somebody brought, of which a part is drawn anew, or which is enlarged. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from shared import lineage, masks
from shared.abilities import require_ability
from shared.asking.offspring import check_words
from shared.asking.reading import Reading, Wording
from shared.catalog import Checkpoint
from shared.errors import Refusal
from shared.intake import Taken, Upload
from shared.lineage import Upscale
from shared.orders import Ask
from shared.spec import RenderSpec, Source, Sources

ENLARGE = "enlarge"


def is_of_one(ask: Ask) -> bool:
    return ask.verb == ENLARGE or (ask.verb == "imagine" and ask.redraws)


def in_its_shape(wording: Wording, size: tuple[int, int] | None) -> Wording:
    """The picture's own, unless somebody says another; of a price nobody has seen it."""
    if wording.prompt.aspect or size is None:
        return wording
    return replace(wording, prompt=replace(wording.prompt, aspect=size))


def only(pictures: Sequence[Source]) -> Source:
    if len(pictures) != 1:
        sentence = f"This goes on from one picture, and here are {len(pictures)}. Send that one."
        raise Refusal("one_picture", sentence, field="images")
    return pictures[0]


def made_of(
    ask: Ask, spec: RenderSpec, source: Source, *, checkpoint: Checkpoint, mask: Source | None
) -> RenderSpec:
    """`spec` is the recipe of the words. Refusal for what does not go with a picture of one's own."""
    check_words(ask)
    require_ability(checkpoint, "pictures", field="images")
    if spec.hires:
        sentence = "--hires is for whole pictures from words. Leave it out, or enlarge afterwards."
        raise Refusal("invalid_value", sentence, field="hires")
    looks = tuple(one for one in spec.references if one.source != source)
    spec = replace(spec, references=looks)
    if ask.verb == ENLARGE:
        return lineage.upscale_latent_spec(
            spec, 0, source, checkpoint=checkpoint, how=_details(ask.manner)
        )
    return replace(_redrawn(ask, spec, source, checkpoint, mask), images=spec.images)


def _redrawn(
    ask: Ask, spec: RenderSpec, source: Source, checkpoint: Checkpoint, mask: Source | None
) -> RenderSpec:
    if mask is not None:
        return lineage.inpaint_spec(spec, 0, source, mask=mask, seed=spec.seed)
    require_ability(checkpoint, "region", field="words")
    return lineage.region_spec(spec, 0, source, words=ask.words, seed=spec.seed)


def mask_of(ask: Ask, spec: RenderSpec, taken: dict[str, Upload]) -> Upload | None:
    """The one that was sent, else of the cells that were tapped, which is taken in beside what was sent;
    none where the region is named in words."""
    if ask.mask:
        return taken[ask.mask]
    if ask.words.strip() and not ask.cells:
        return None
    mask = masks.drawn(ask.cells, spec.width, spec.height)
    taken[mask.source.key] = mask
    return mask


def region_words(ask: Ask) -> tuple[str, ...]:
    return (ask.words,) if ask.words.strip() else ()


def shaped(reading: Reading, taken: Taken) -> Reading:
    """Of one picture that was brought: what is made of it has its shape."""
    if not is_of_one(reading.ask) or not reading.links:
        return reading
    size = taken[reading.links[0]].size
    shaped = tuple(in_its_shape(one, size) for one in reading.wordings)
    return replace(reading, wordings=shaped)


def sources_of(ask: Ask, wording: Wording, taken: Taken) -> Sources:
    def of(links: Sequence[str]) -> tuple[Source, ...]:
        return tuple(taken[link].source for link in links)

    one = wording.prompt
    return Sources(
        images=of((*ask.images, *one.images)),
        styles=of([ref.what for ref in one.style_refs if ref.is_link]),
        characters=of(one.character_refs),
    )


def _details(manner: str) -> Upscale:
    try:
        return Upscale(manner)
    except ValueError:
        named = ", ".join(Upscale)
        raise Refusal("invalid_value", f"Details are one of: {named}.", field="details") from None
