"""The --ar grammar: text <-> Prompt. Pure; the parameters themselves are a table of their own.

A prompt is text, then parameters. `::` splits the text into parts, each with an optional weight.
"""

import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from shared.errors import Refusal
from shared.parameters import BY_NAME, PARAMETERS, Kind, Parameter
from shared.parameters import parameter_help as parameter_help
from shared.plans import Speed
from shared.values import DASHES, Value, read, shown, write
from shared.weights import WeightedText as WeightedText
from shared.weights import read_texts, write_texts

LONGEST = 2000

HYPHENS = "-‐‑−"
_START = r"(?:^|(?<=\s)|(?<=::))"
# Two hyphens, or the one long dash that phones and editors make of them; a long dash with a space
# behind it is punctuation.
_PARAMETER = re.compile(rf"{_START}(?:[{HYPHENS}]{{2,}}|[–—―‒][{DASHES}]*(?=[^\W\d_]))(\S*)")
_GLUED = re.compile(rf"(?<=[^{DASHES}\s:])-{{2,}}([A-Za-z]+)(?=[\s:]|$)")
_ONE_DASH = re.compile(rf"{_START}-([A-Za-z]{{2,}})(?=[\s:]|$)")
NOT_YET = (
    (
        re.compile(r"[{}]"),
        "permutations_unsupported",
        "Permutations are not supported yet: write one prompt for each choice, without braces",
    ),
    (
        re.compile(r"https?://\S+", re.IGNORECASE),
        "image_prompt_unsupported",
        "Image prompts are not supported yet: leave the link out",
    ),
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was typed, parsed. None means not said; the checkpoint, plan or account decides."""

    texts: tuple[WeightedText, ...]
    negative: tuple[str, ...] = ()
    aspect: tuple[int, int] | None = None
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    quality: float | None = None
    stop: int | None = None
    repeat: int = 1
    speed: Speed | None = None


@dataclass(frozen=True, slots=True)
class _Typed:
    """One parameter as it stands in the text; `position` counts characters from 1."""

    parameter: Parameter
    name: str
    value: str
    position: int
    value_position: int


def parse(text: str, *, longest: int = LONGEST) -> Prompt:
    """What the text asks for; the first thing wrong with it is a Refusal that shows the fix."""
    _check_length(text, longest)
    clean = readable(text)
    _check_marks(clean)
    marks = list(_PARAMETER.finditer(clean))
    starts = [*(mark.start() for mark in marks), len(clean)]
    values = [clean[mark.end() : end] for mark, end in zip(marks, starts[1:], strict=True)]
    fields = _fields([_typed(mark, value) for mark, value in zip(marks, values, strict=True)])
    return Prompt(texts=read_texts(clean[: starts[0]]), **fields)


def format_prompt(prompt: Prompt) -> str:
    """The text that `parse` reads back as the same prompt."""
    parameters = [_formatted(parameter, prompt) for parameter in PARAMETERS if parameter.supported]
    return " ".join(part for part in (write_texts(prompt.texts), *parameters) if part)


def readable(text: str) -> str:
    """NFC, every white space a plain space, and nothing invisible that could reorder or hide text."""
    spaced = (" " if mark.isspace() else mark for mark in text)
    visible = "".join(mark for mark in spaced if unicodedata.category(mark) not in INVISIBLE)
    return unicodedata.normalize("NFC", visible)


INVISIBLE = frozenset({"Cc", "Cf", "Cs"})  # control, format (bidi, zero width), lone surrogates


def _check_length(text: str, longest: int) -> None:
    if len(text) > longest:
        over = len(text) - longest
        sentence = (
            f"Your prompt has {len(text):,} characters and {longest:,} is the most. "
            f"Shorten it by {over:,}: what matters most belongs in the first few dozen words."
        )
        raise Refusal("prompt_too_long", sentence, field="prompt")


def _check_marks(text: str) -> None:
    for pattern, code, sentence in NOT_YET:
        found = pattern.search(text)
        if found:
            place = f"{shown(found[0])} at character {found.start() + 1}"
            raise Refusal(code, f"{sentence} ({place}).", field="prompt")
    _check_dashes(text)


def _check_dashes(text: str) -> None:
    """Nearly a parameter is a slip, and drawing `a cat -ar 3:2` as words would hide it."""
    for pattern, wrong in ((_GLUED, "a space before it"), (_ONE_DASH, "two dashes")):
        for found in pattern.finditer(text):
            parameter = BY_NAME.get(found[1].lower())
            if parameter is not None and parameter.supported:
                place = f"{shown(found[0])} at character {found.start() + 1}"
                sentence = f"{place} needs {wrong}: write {parameter.sample}."
                raise Refusal("misspelt_parameter", sentence, field=parameter.field)


def _typed(mark: re.Match[str], value: str) -> _Typed:
    position = mark.start() + 1
    name = mark[1].lower()
    parameter = BY_NAME.get(name)
    if parameter is None:
        raise _unknown(mark[0], name, position)
    if not parameter.supported:
        raise _not_here(parameter, name, position)
    value_position = mark.end() + 1 + len(value) - len(value.lstrip())
    return _Typed(parameter, f"--{name}", value.strip(), position, value_position)


def _fields(typed: list[_Typed]) -> dict[str, Any]:
    """Prompt's fields from what was typed; only --no may say different things twice."""
    fields: dict[str, Any] = {}
    first: dict[str, _Typed] = {}
    for one in typed:
        field = one.parameter.field
        value = _value(one)
        if one.parameter.kind is Kind.LIST:
            value = tuple(dict.fromkeys((*fields.get(field, ()), *value)))
        elif fields.get(field, value) != value:
            raise _conflict(first[field], one)
        fields[field] = value
        first.setdefault(field, one)
    return fields


def _value(one: _Typed) -> Any:
    if one.parameter.kind is Kind.FLAG:
        if one.value:
            raise _text_after(one.name, one.value, one.value_position)
        return Speed(one.parameter.name)
    if one.parameter.kind is not Kind.LIST:
        _check_nothing_after(one)
    return read(
        one.parameter, one.value, position=one.value_position if one.value else one.position
    )


def _check_nothing_after(one: _Typed) -> None:
    """A good value with words behind it is a parameter that stands too early."""
    value, _, rest = one.value.partition(" ")
    if not rest.strip():
        return
    try:
        read(one.parameter, value, position=one.value_position)
    except Refusal:
        return
    after = one.value_position + len(one.value) - len(rest.lstrip())
    raise _text_after(f"{one.name} {value}", rest.strip(), after)


def _formatted(parameter: Parameter, prompt: Prompt) -> str:
    value: Value | None = getattr(prompt, parameter.field)
    if parameter.kind is Kind.FLAG:
        return parameter.typed if value == parameter.name else ""
    if value in (None, ()) or (parameter.field == "repeat" and value == 1):
        return ""
    return f"{parameter.typed} {write(value)}" if value is not None else ""


def _unknown(mark: str, name: str, position: int) -> Refusal:
    place = f"{shown(mark)} at character {position}"
    if not name:
        sentence = f"{place} has no name behind it. Write for example --ar 3:2, or leave it out."
        return Refusal("unknown_parameter", sentence)
    glued = re.match(r"([a-z]+)([^a-z].*)", name)
    if glued and glued[1] in BY_NAME:
        return _glued(BY_NAME[glued[1]], glued[1], glued[2], position)
    works = [name for parameter in PARAMETERS if parameter.supported for name in parameter.names]
    nearest = next(iter(get_close_matches(name, works, n=1, cutoff=0.5)), None)
    known = ", ".join(parameter.typed for parameter in PARAMETERS if parameter.supported)
    fix = f"Did you mean {BY_NAME[nearest].sample}?" if nearest else f"These exist: {known}."
    if mark[0] not in HYPHENS:
        fix += " A dash that belongs to the text needs a space behind it."
    return Refusal("unknown_parameter", f"{place} is no parameter. {fix}")


def _glued(parameter: Parameter, name: str, rest: str, position: int) -> Refusal:
    if not parameter.supported:
        return _not_here(parameter, name, position)
    value = rest.lstrip(f"=:,;{DASHES}").rstrip(",;")
    fix = f"--{name} {value}" if value and parameter.kind is not Kind.FLAG else parameter.sample
    sentence = (
        f"{shown(f'--{name}{rest}')} at character {position} needs a space behind --{name} "
        f"and nothing else. Write {fix}."
    )
    return Refusal("invalid_value", sentence, field=parameter.field)


def _not_here(parameter: Parameter, name: str, position: int) -> Refusal:
    place = f"--{name} at character {position}"
    if parameter.kind is Kind.DEPRECATED:
        return Refusal("deprecated_parameter", f"{place} is deprecated: {parameter.help}.")
    sentence = f"{parameter.help} ({place}) is not supported yet. Leave it out."
    return Refusal("unsupported_parameter", sentence)


def _conflict(first: _Typed, second: _Typed) -> Refusal:
    one, other = f"{first.name} {first.value}".strip(), f"{second.name} {second.value}".strip()
    where = f"{shown(one)} at character {first.position} and {shown(other)} at {second.position}"
    field = first.parameter.field
    code = "conflicting_speed" if field == "speed" else "repeated_parameter"
    return Refusal(code, f"{where} contradict each other. Keep one of them.", field=field)


def _text_after(typed: str, text: str, position: int) -> Refusal:
    sentence = (
        f"{shown(text)} at character {position} stands behind {typed}. Parameters come last: move "
        f"the words to the front, for example a red boat {typed}."
    )
    return Refusal("text_after_parameters", sentence, field="prompt")
