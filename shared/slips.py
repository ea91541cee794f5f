"""What may be wrong with a prompt as it was typed: each a Refusal that says where, and shows the fix. Pure."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from shared.errors import Refusal
from shared.marks import DASHES, shown
from shared.parameters import BY_FIELD, BY_NAME, NAMES_HERE, PARAMETERS, Kind, Parameter
from shared.references import MOST_IMAGES, MOST_LORAS, MOST_REFERENCES, LoraChoice

HYPHENS = "-‐‑−"
START = r"(?:^|(?<=\s)|(?<=::))"
_GLUED = re.compile(rf"(?<=[^{DASHES}\s:])-{{2,}}([A-Za-z]+)(?=[\s:]|$)")
_ONE_DASH = re.compile(rf"{START}-([A-Za-z]{{2,}})(?=[\s:]|$)")
MOST_NAMED = 8
MOST_SAID = {Kind.LINKS: MOST_REFERENCES, Kind.STYLES: MOST_REFERENCES, Kind.LORAS: MOST_LORAS}


@dataclass(frozen=True, slots=True)
class Typed:
    """One parameter as it stands in the text; `position` counts characters from 1."""

    parameter: Parameter
    name: str
    value: str
    position: int
    value_position: int

    @property
    def words(self) -> str:
        return f"{self.name} {self.value}".strip()


def check_dashes(text: str) -> None:
    """Nearly a parameter is a slip, and drawing `a cat -ar 3:2` as words would hide it."""
    for pattern, wrong in ((_GLUED, "a space before it"), (_ONE_DASH, "two dashes")):
        for found in pattern.finditer(text):
            parameter = BY_NAME.get(found[1].lower())
            if parameter is not None and parameter.supported:
                at = found.start() + 1
                place = f"{shown(found[0])} at character {at}"
                sentence = f"{place} needs {wrong}: write {parameter.sample}."
                raise Refusal("misspelt_parameter", sentence, field=parameter.field, position=at)


def check_several(one: Typed, every: tuple[Any, ...]) -> None:
    """Not too many, and no LoRA with two weights."""
    most = MOST_SAID.get(one.parameter.kind, len(every))
    if len(every) > most:
        sentence = (
            f"{one.name} at character {one.position} makes {len(every)}; {most} are the most."
        )
        raise _at("too_many_references", sentence, one)
    names = [lora.name for lora in every if isinstance(lora, LoraChoice)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        sentence = (
            f"{one.name} at character {one.position} weighs {shown(twice)} again. Keep one weight."
        )
        raise _at("repeated_parameter", sentence, one)


def unknown(mark: str, name: str, position: int) -> Refusal:
    place = f"{shown(mark)} at character {position}"
    if not name:
        sentence = f"{place} has no name behind it. Write for example --ar 3:2, or leave it out."
        return Refusal("unknown_parameter", sentence, position=position)
    glued = re.match(r"([a-z]+)([^a-z].*)", name)
    if glued and glued[1] in BY_NAME:
        return _without_space(BY_NAME[glued[1]], glued[1], glued[2], position)
    nearest = next(iter(get_close_matches(name, NAMES_HERE, n=1, cutoff=0.5)), None)
    known = ", ".join(one.typed for one in PARAMETERS[:MOST_NAMED])
    others = f"There are {known} and more; /help names all."
    fix = f"Did you mean {BY_NAME[nearest].sample}?" if nearest else others
    if mark[0] not in HYPHENS:
        fix += " A dash that belongs to the text needs a space behind it."
    sentence = f"{place} is no parameter. {fix}"
    return Refusal("unknown_parameter", sentence, position=position)


def _without_space(parameter: Parameter, name: str, rest: str, position: int) -> Refusal:
    if not parameter.supported:
        return not_here(parameter, name, position)
    value = rest.lstrip(f"=:,;{DASHES}").rstrip(",;")
    fix = f"--{name} {value}" if value and parameter.kind is not Kind.FLAG else parameter.sample
    sentence = (
        f"{shown(f'--{name}{rest}')} at character {position} needs a space behind --{name} "
        f"and nothing else. Write {shown(fix)[1:-1]}."
    )
    return Refusal("invalid_value", sentence, field=parameter.field, position=position)


def not_here(parameter: Parameter, name: str, position: int) -> Refusal:
    place = f"--{name} at character {position}"
    if parameter.kind is Kind.DEPRECATED:
        sentence = f"{place} is deprecated: {parameter.help}."
        return Refusal("deprecated_parameter", sentence, position=position)
    sentence = f"{parameter.help} ({place}) is not supported: {parameter.reason}."
    return Refusal("unsupported_parameter", sentence, position=position)


def contradiction(first: Typed, second: Typed) -> Refusal:
    """Of the same parameter, or of two that cannot both hold."""
    one, other = shown(first.words), shown(second.words)
    where = f"{one} at character {first.position} and {other} at {second.position}"
    field = first.parameter.field
    code = _code_of(field, second.parameter.field)
    sentence = f"{where} contradict each other. Keep one of them."
    return Refusal(code, sentence, field=field, position=second.position)


def _code_of(field: str, other: str) -> str:
    if field != other:
        return "conflicting_parameters"
    return "conflicting_speed" if field == "speed" else "repeated_parameter"


def _at(code: str, sentence: str, one: Typed) -> Refusal:
    return Refusal(code, sentence, field=one.parameter.field, position=one.position)


def needs(one: Typed) -> Refusal:
    missing = one.parameter.needs
    if missing == "images":
        what = "a picture: attach one, or put a link to one in front of the text"
    else:
        what = f"{BY_FIELD[missing].typed}, for example {BY_FIELD[missing].sample}"
    sentence = f"{one.name} at character {one.position} means nothing without {what}."
    return _at("missing_reference", sentence, one)


def text_after(typed: str, text: str, position: int) -> Refusal:
    sentence = (
        f"{shown(text)} at character {position} stands behind {typed}. Parameters come last: move "
        f"the words to the front, for example a red boat {typed}."
    )
    return Refusal("text_after_parameters", sentence, field="prompt", position=position)


def alone(position: int) -> Refusal:
    sentence = (
        f"One picture alone is not enough. Add words at character {position}, or a second picture."
    )
    return Refusal("picture_alone", sentence, field="prompt", position=position)


def too_many_pictures(many: int) -> Refusal:
    sentence = (
        f"{many} pictures stand before character 1; {MOST_IMAGES} are the most. Leave some out."
    )
    return Refusal("too_many_images", sentence, field="images", position=1)


def unexpanded(brace: str, position: int) -> Refusal:
    sentence = (
        f"The brace {brace} at character {position} stands for choices, and one prompt is wanted here. Write "
        f"one choice out, or \\{brace} for the sign itself."
    )
    return Refusal("unexpanded_choices", sentence, field="prompt", position=position)
