"""What a recipe begins from and looks at: the pictures of a prompt, each by what it is for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.abilities import require_ability
from shared.adapters import Adapter
from shared.catalog import Catalog, Checkpoint
from shared.errors import Fault, Refusal
from shared.imageweight import strength_of
from shared.ingredients import ControlUse, ReferenceUse, RenderKind, Source, Sources
from shared.parameterhelp import check_range
from shared.prompt import Prompt
from shared.styles import strength_of as style_strength

USUAL_WEIGHT = 1.0  # of --iw
LEAST_KEPT = 0.25  # of a character at --cw 0
MOST_SHOWN = 1.5  # times its own weight: more of an IP-Adapter draws the picture itself
UNREAD = {"styles": ("--sref", "style_refs"), "characters": ("--cref", "character_refs")}


@dataclass(frozen=True, slots=True)
class Beginning:
    kind: RenderKind
    sources: tuple[Source, ...]
    strength: float
    controls: tuple[ControlUse, ...]
    references: tuple[ReferenceUse, ...]


def beginning_of(
    prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog, sources: Sources
) -> Beginning:
    """Refusal for what the catalog has nothing for. Fault `sources_missing` where a picture of the prompt was
    not stored before."""
    _check_stored(prompt, sources)
    controls = _controls(prompt, checkpoint, catalog, sources)
    images = sources.images[len(controls) :]
    looks = [*_styles(prompt, checkpoint, catalog, sources)]
    looks += _characters(prompt, checkpoint, catalog, sources)
    if not images:
        _check_weighed(prompt)
        return Beginning(RenderKind.TEXT, (), 1.0, controls, tuple(looks))
    require_ability(checkpoint, "pictures", field="images")
    return _seen(prompt, checkpoint, catalog, images=images, controls=controls, looks=looks)


def _seen(
    prompt: Prompt,
    checkpoint: Checkpoint,
    catalog: Catalog,
    *,
    images: tuple[Source, ...],
    controls: tuple[ControlUse, ...],
    looks: list[ReferenceUse],
) -> Beginning:
    """An IP-Adapter reads pictures beside words; without one, or without words, they are drawn over."""
    weight = USUAL_WEIGHT if prompt.image_weight is None else prompt.image_weight
    check_range("image_weight", weight)
    reader = _reader("images", checkpoint, catalog)
    if reader and prompt.texts:
        scale = _shown(reader, weight)
        looks = [*looks, *(ReferenceUse(reader.name, one, scale) for one in images if scale)]
        images = ()
    if not prompt.texts and not weight:
        raise _nothing_left()
    if not images or not weight:
        return Beginning(RenderKind.TEXT, (), 1.0, controls, tuple(looks))
    strength = round(strength_of(weight, pictures=len(images)), 4)
    kind = RenderKind.IMAGE if len(images) == 1 else RenderKind.BLEND
    return Beginning(kind, images, strength, controls, tuple(looks))


def _controls(
    prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog, sources: Sources
) -> tuple[ControlUse, ...]:
    """The first picture is what it keeps to."""
    if prompt.control is None:
        return ()
    if not sources.images:
        sentence = "--control keeps to a picture. Attach one, or put a link in front of the text."
        raise Refusal("missing_reference", sentence, field="control")
    adapter = _control(prompt.control, checkpoint, catalog)
    return (ControlUse(adapter.name, sources.images[0], adapter.weight),)


def _control(name: str, checkpoint: Checkpoint, catalog: Catalog) -> Adapter:
    """By its name, or by what it makes of a picture: canny, scribble, depth."""
    for one in catalog.fitting(kind="controlnet", family=checkpoint.family):
        if one.preprocessor == name:
            return one
    return catalog.adapter(name, kind="controlnet", family=checkpoint.family)


def _styles(
    prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog, sources: Sources
) -> Iterator[ReferenceUse]:
    links = [one for one in prompt.style_refs if one.is_link]
    if not links:
        return
    reader = _needed("styles", checkpoint, catalog)
    whole = sum(one.weight for one in prompt.style_refs)
    strength = style_strength(prompt.style_weight)
    for one, source in zip(links, sources.styles, strict=True):
        yield ReferenceUse(reader.name, source, _shown(reader, strength * one.weight / whole))


def _characters(
    prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog, sources: Sources
) -> Iterator[ReferenceUse]:
    if not prompt.character_refs:
        return
    reader = _needed("characters", checkpoint, catalog)
    kept = 100 if prompt.character_weight is None else prompt.character_weight
    check_range("character_weight", kept)
    strength = LEAST_KEPT + (1 - LEAST_KEPT) * kept / 100
    for source in sources.characters:
        yield ReferenceUse(reader.name, source, _shown(reader, strength))


def _reader(what: str, checkpoint: Checkpoint, catalog: Catalog) -> Adapter | None:
    every = catalog.fitting(kind="ip-adapter", family=checkpoint.family)
    return next((one for one in every if what in one.serves), None)


def _needed(what: str, checkpoint: Checkpoint, catalog: Catalog) -> Adapter:
    reader = _reader(what, checkpoint, catalog)
    if reader is None:
        raise _unread(what, checkpoint)
    return reader


def _shown(reader: Adapter, strength: float) -> float:
    return round(reader.weight * min(strength, MOST_SHOWN), 4)


def _check_stored(prompt: Prompt, sources: Sources) -> None:
    links = sum(one.is_link for one in prompt.style_refs)
    whole = (
        len(sources.images) >= len(prompt.images)
        and len(sources.styles) == links
        and len(sources.characters) == len(prompt.character_refs)
    )
    if not whole:
        raise Fault("sources_missing", "The pictures of this prompt were not fetched.")


def _check_weighed(prompt: Prompt) -> None:
    if prompt.image_weight is not None and prompt.control is not None:
        sentence = (
            "--iw weighs pictures in the prompt, but its only one is what --control keeps to. "
            "Add a second picture, or leave --iw out."
        )
        raise Refusal("missing_reference", sentence, field="image_weight")


def _nothing_left() -> Refusal:
    sentence = (
        "--iw 0 leaves nothing of the pictures, and there are no words. Write --iw 1, or add words."
    )
    return Refusal("empty_prompt", sentence, field="image_weight")


def _unread(what: str, checkpoint: Checkpoint) -> Refusal:
    """No IP-Adapter of the catalog fits: say what is there instead."""
    typed, field = UNREAD[what]
    instead = "Put the link in front of the text instead."
    if what == "styles" and checkpoint.styles:
        instead = f"Use a style code, or --style: {', '.join(checkpoint.styles)}."
    sentence = f"{checkpoint.title} cannot read pictures behind {typed}: no IP-Adapter here fits it. {instead}"
    return Refusal("unable", sentence, field=field)
