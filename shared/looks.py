"""The look of a recipe: its words and LoRAs, by --style, --stylize, style codes, --lora and --raw. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from shared.catalog import Catalog, Checkpoint
from shared.errors import Refusal
from shared.ingredients import LoraUse
from shared.parameterhelp import check_range
from shared.prompt import Prompt
from shared.styles import Style, drawn_code, mixed, strength_of
from shared.weights import WeightedText

WORDS_SHARE = 0.25  # of the weight of the prompt's own words, where a style acts as it was made
FAINTEST = 0.02  # a LoRA below it shows nothing
NOTHING_SAID = (WeightedText(""),)


@dataclass(frozen=True, slots=True)
class Look:
    """`codes` are the style codes by their place, with those that `random` became."""

    texts: tuple[WeightedText, ...]
    loras: tuple[LoraUse, ...]
    codes: tuple[int, ...]


def look_of(prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog, seed: int) -> Look:
    """Refusal for a style or LoRA that this checkpoint does not have. `seed` draws random codes."""
    codes = _codes(prompt, seed)
    worn = _worn(prompt, checkpoint, codes)
    loras = {one.lora: 0.0 for one, _ in worn if one.lora}
    for style, strength in worn:
        if style.lora:
            loras[style.lora] += style.weight * strength
    loras |= dict(_chosen(prompt, checkpoint, catalog))
    uses = (LoraUse(name, round(weight, 4)) for name, weight in loras.items())
    visible = tuple(use for use in uses if abs(use.weight) >= FAINTEST)
    return Look(_told(prompt, worn), visible, tuple(codes.values()))


def style_of(prompt: Prompt, checkpoint: Checkpoint) -> Style | None:
    """The style that is asked for, or the checkpoint's own. Refusal for one that it does not have."""
    if prompt.raw:
        return None
    name = prompt.style or checkpoint.style
    if name and name not in checkpoint.styles:
        raise _unknown_style(name, checkpoint)
    return checkpoint.styles[name] if name else None


def _worn(
    prompt: Prompt, checkpoint: Checkpoint, codes: dict[int, int]
) -> list[tuple[Style, float]]:
    """Every style with its strength."""
    for field in ("stylize", "style_weight"):
        if (said := getattr(prompt, field)) is not None:
            check_range(field, said)
    style = style_of(prompt, checkpoint)
    own = [(style, strength_of(prompt.stylize))] if style else []
    return [*own, *_of_codes(prompt, checkpoint, codes)]


def _of_codes(
    prompt: Prompt, checkpoint: Checkpoint, codes: dict[int, int]
) -> Iterator[tuple[Style, float]]:
    if codes and not checkpoint.styles:
        raise _no_styles(checkpoint)
    whole = sum(one.weight for one in prompt.style_refs)
    for place, code in codes.items():
        share = strength_of(prompt.style_weight) * prompt.style_refs[place].weight / whole
        for name, strength in mixed(code, checkpoint.styles).items():
            yield checkpoint.styles[name], share * strength


def _codes(prompt: Prompt, seed: int) -> dict[int, int]:
    """The code at each place where one stands, or `random`."""
    return {
        place: int(one.what) if one.is_code else drawn_code(seed, place)
        for place, one in enumerate(prompt.style_refs)
        if not one.is_link
    }


def _chosen(
    prompt: Prompt, checkpoint: Checkpoint, catalog: Catalog
) -> Iterator[tuple[str, float]]:
    """What is asked for by name takes the place of what a style says."""
    for one in prompt.loras:
        adapter = catalog.adapter(one.name, kind="lora", family=checkpoint.family)
        yield adapter.name, adapter.weight if one.weight is None else one.weight


def _told(prompt: Prompt, worn: list[tuple[Style, float]]) -> tuple[WeightedText, ...]:
    texts = prompt.texts or NOTHING_SAID
    said = sum(text.weight for text in texts if text.weight > 0)
    beside = {
        style.words: round(WORDS_SHARE * said * style.weight * strength, 4)
        for style, strength in worn
        if style.words
    }
    return (
        *texts,
        *(WeightedText(words, weight) for words, weight in beside.items() if weight > 0),
    )


def _unknown_style(name: str, checkpoint: Checkpoint) -> Refusal:
    names = ", ".join(checkpoint.styles)
    nearest = get_close_matches(name, checkpoint.styles, n=1, cutoff=0.5)
    guess = f"Did you mean --style {nearest[0]}? " if nearest else ""
    there = f"It has: {names}." if names else "It has none. Leave --style out."
    sentence = f"{checkpoint.title} has no style “{name[:40]}”. {guess}{there}"
    return Refusal("unknown_style", sentence, field="style")


def _no_styles(checkpoint: Checkpoint) -> Refusal:
    sentence = (
        f"{checkpoint.title} has no styles that a style code of --sref could mix. "
        "Put a link to a picture behind --sref, or choose another checkpoint by --model."
    )
    return Refusal("no_styles", sentence, field="style_refs")
