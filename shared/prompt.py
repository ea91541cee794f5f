"""The --ar grammar: text <-> Prompt. Pure; the parameters themselves are a table of their own.

A prompt is links to pictures, then text, then parameters. `::` splits the text into parts, each with an
optional weight. What stands in braces is expanded before (shared.permutations).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from shared import slips
from shared.errors import Refusal
from shared.marks import BARE_BRACE, DASHES, LONGEST, check_length
from shared.marks import readable as readable
from shared.parameterhelp import parameter_help as parameter_help
from shared.parameters import BY_NAME, PARAMETERS, SEVERAL, Kind, Parameter
from shared.plans import Speed, Visibility
from shared.references import (
    MOST_IMAGES,
    RANDOM,
    LoraChoice,
    StyleRef,
    read_images,
    replace_drawn,
)
from shared.slips import HYPHENS, START, Typed
from shared.values import read, write, write_list
from shared.weights import WeightedText as WeightedText
from shared.weights import read_texts, write_texts

RAW = "raw"  # the style that is none
# Two hyphens, or the one long dash that phones and editors make of them; a long dash with a space
# behind it is punctuation.
MARK = re.compile(rf"{START}(?:[{HYPHENS}]{{2,}}|[–—―‒][{DASHES}]*(?=[^\W\d_]))(\S*)")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was typed, parsed. None means not said; the checkpoint, plan or account decides.

    Without `texts` there are two pictures at least, of `images` (links) and of those that came attached.
    `model` is a checkpoint's name, `version` what `--version` or `--niji` said of it ("6.1", "niji 6").
    """

    texts: tuple[WeightedText, ...]
    images: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    aspect: tuple[int, int] | None = None
    seed: int | None = None
    chaos: int | None = None
    weird: int | None = None
    stylize: int | None = None
    style: str | None = None
    raw: bool = False
    tile: bool = False
    image_weight: float | None = None
    style_refs: tuple[StyleRef, ...] = ()
    style_weight: int | None = None
    character_refs: tuple[str, ...] = ()
    character_weight: int | None = None
    loras: tuple[LoraChoice, ...] = ()
    control: str | None = None
    model: str | None = None
    version: str | None = None
    steps: int | None = None
    quality: float | None = None
    draft: bool = False
    hires: float | None = None
    guidance: float | None = None
    sampler: str | None = None
    stop: int | None = None
    repeat: int = 1
    enhance: bool = False
    speed: Speed | None = None
    visibility: Visibility | None = None


DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Prompt)}


def parse(text: str, *, longest: int = LONGEST, attached: int = 0) -> Prompt:
    """What the text asks for; the first thing wrong with it is a Refusal that shows the fix and says
    where. `attached` pictures came with it, and stand before its links."""
    check_length(text, longest)
    clean = readable(text)
    _check_braces(clean)
    slips.check_dashes(clean)
    typed = typed_in(clean)
    found = _fields(typed)
    end = typed[0].position - 1 if typed else len(clean)
    images, texts = _begun(clean[:end], attached)
    _check_needs(typed, {**found, "images": images or attached})
    return Prompt(texts=texts, images=images, **found)


def format_prompt(prompt: Prompt) -> str:
    """The text that `parse` reads back as the same prompt."""
    parameters = [
        _formatted(one, getattr(prompt, one.field)) for one in PARAMETERS if one.supported
    ]
    parts = (*prompt.images, write_texts(prompt.texts), *parameters)
    return " ".join(part for part in parts if part)


def with_codes(text: str, prompt: Prompt, codes: Sequence[int]) -> str:
    """The text of this prompt with what `random` became behind --sref: asked again it gives the same style."""
    places = (one for one in prompt.style_refs if not one.is_link)
    drawn = {one: code for one, code in zip(places, codes, strict=False) if one.what == RANDOM}
    if not drawn:
        return text
    clean = readable(text)
    for one in reversed(typed_in(clean)):
        if one.parameter.kind is Kind.STYLES:
            start = one.value_position - 1
            end = start + len(one.value)
            clean = clean[:start] + replace_drawn(one.value, drawn) + clean[end:]
    return clean


def typed_in(clean: str) -> list[Typed]:
    """Every parameter that a readable text names, in its order; Refusal for one that is not here."""
    marks = list(MARK.finditer(clean))
    ends = [*(mark.start() for mark in marks), len(clean)][1:]
    return [_typed(mark, clean[mark.end() : end]) for mark, end in zip(marks, ends, strict=True)]


def _typed(mark: re.Match[str], value: str) -> Typed:
    position = mark.start() + 1
    name = mark[1].lower()
    parameter = BY_NAME.get(name)
    if parameter is None:
        raise slips.unknown(mark[0], name, position)
    if not parameter.supported:
        raise slips.not_here(parameter, name, position)
    value_position = mark.end() + 1 + len(value) - len(value.lstrip())
    return Typed(parameter, f"--{name}", value.strip(), position, value_position)


def _begun(head: str, attached: int) -> tuple[tuple[str, ...], tuple[WeightedText, ...]]:
    """The pictures and the words before the parameters. Two pictures need no words."""
    images, start = read_images(head, attached=attached)
    many = len(images) + attached
    if many > MOST_IMAGES:
        raise slips.too_many_pictures(many)
    if many >= 2 and not head[start:].strip():
        return images, ()
    if many == 1 and not head[start:].strip():
        raise slips.alone(len(head) + 1)
    return images, read_texts(head[start:], position=start + 1)


def _fields(typed: list[Typed]) -> dict[str, Any]:
    """Prompt's fields from what was typed; only what lists may say different things twice."""
    found: dict[str, Any] = {}
    first: dict[str, Typed] = {}
    for one in typed:
        field, value = _said(one)
        if one.parameter.kind in SEVERAL:
            value = _added(found.get(field, ()), value, one)
        elif found.get(field, value) != value:
            raise slips.contradiction(first[field], one)
        against = next((first[other] for other in _against(field) if other in first), None)
        if against:
            raise slips.contradiction(against, one)
        found[field] = value
        first.setdefault(field, one)
    return found


def _said(one: Typed) -> tuple[str, Any]:
    """Which field it sets, and to what. A style that is none is the flag of that name."""
    value = _value(one)
    if one.parameter.field == "style" and value == RAW:
        return "raw", True
    return one.parameter.field, value


def _against(field: str) -> tuple[str, ...]:
    return next(one.against for one in PARAMETERS if one.field == field)


def _added(before: tuple[Any, ...], value: tuple[Any, ...], one: Typed) -> tuple[Any, ...]:
    every = tuple(dict.fromkeys((*before, *value)))
    slips.check_several(one, every)
    return every


def _value(one: Typed) -> Any:
    if one.parameter.kind is Kind.FLAG:
        if one.value:
            raise slips.text_after(one.name, one.value, one.value_position)
        return one.parameter.value
    if one.parameter.kind not in SEVERAL:
        _check_nothing_after(one)
    position = one.value_position if one.value else one.position
    return read(one.parameter, one.value, position=position)


def _check_nothing_after(one: Typed) -> None:
    """A good value with words behind it is a parameter that stands too early."""
    value, _, rest = one.value.partition(" ")
    if not rest.strip():
        return
    try:
        read(one.parameter, value, position=one.value_position)
    except Refusal:
        return
    after = one.value_position + len(one.value) - len(rest.lstrip())
    raise slips.text_after(f"{one.name} {value}", rest.strip(), after)


def _check_needs(typed: list[Typed], found: dict[str, Any]) -> None:
    for one in typed:
        if one.parameter.needs and not found.get(one.parameter.needs):
            raise slips.needs(one)


def _check_braces(clean: str) -> None:
    brace = BARE_BRACE.search(clean)
    if brace:
        raise slips.unexpanded(brace[0], brace.start() + 1)


def _formatted(parameter: Parameter, value: Any) -> str:
    if value == DEFAULTS[parameter.field]:
        return ""
    if parameter.kind is Kind.FLAG:
        return parameter.typed if value == parameter.value else ""
    if parameter.kind is Kind.LIST:
        return f"{parameter.typed} {write_list(value)}"
    if not _speaks_for(parameter, value):
        return ""
    return f"{parameter.typed} {write(parameter, value)}".rstrip()


def _speaks_for(parameter: Parameter, value: Any) -> bool:
    """Of parameters that share a field, the one whose prefix the value has."""
    prefixes = [one.prefix for one in PARAMETERS if one.field == parameter.field and one.prefix]
    prefixed = [one for one in prefixes if value == one or value.startswith(f"{one} ")]
    return prefixed == [parameter.prefix] if prefixed else not parameter.prefix
