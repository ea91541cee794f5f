"""The value behind a parameter: text <-> value for each kind, with an error that shows the fix."""

import re
from collections.abc import Callable
from decimal import Decimal
from difflib import get_close_matches

from shared.errors import Refusal
from shared.parameters import Kind, Parameter, range_words

Value = int | float | str | tuple[int, int] | tuple[str, ...]

QUOTES = '"“”„‟«»'
DASHES = "-‐‑‒–—―−"
LONGEST_SHOWN = 40
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")
_RATIO = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")
_NEARLY_RATIO = re.compile(r"\s*([0-9]{1,6})\s*[:/xX×∶：]\s*([0-9]{1,6})\s*")


class Misfit(Exception):
    """The text is no value of this parameter; `hint` may say what was probably meant."""

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint)
        self.hint = hint


def read(parameter: Parameter, text: str, *, position: int) -> Value:
    """The value of a parameter; Refusal names the parameter, what it takes, the text and its place."""
    bare = text.strip().strip(QUOTES).strip()
    if not bare:
        raise _missing(parameter, position)
    try:
        return READERS[parameter.kind](parameter, bare)
    except Misfit as misfit:
        raise _invalid(parameter, bare, position=position, hint=misfit.hint) from None


def write(value: Value) -> str:
    """What `read` reads back as the same value."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, tuple):
        return (
            ":".join(map(str, value)) if isinstance(value[0], int) else ", ".join(map(str, value))
        )
    return str(value)


def plain(number: float) -> str:
    """The shortest decimals that give this number again, never with an exponent."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def shown(text: str) -> str:
    """The user's own words in quotes, cut to one short line."""
    short = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
    return f"“{short}”"


def _whole(parameter: Parameter, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Misfit(_without_punctuation(parameter, text))
    return int(_in_range(parameter, int(text)))


def _number(parameter: Parameter, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        comma = re.fullmatch(r"[0-9]+,[0-9]+", text)
        raise Misfit(text.replace(",", ".") if comma else _without_punctuation(parameter, text))
    value = _in_range(parameter, float(text))
    if parameter.choices and value not in map(float, parameter.choices):
        raise Misfit
    return value


def _one_of(parameter: Parameter, text: str) -> str:
    name = text.lower()
    if name not in parameter.choices:
        raise Misfit(next(iter(get_close_matches(name, parameter.choices, n=1)), ""))
    return name


def _ratio(parameter: Parameter, text: str) -> tuple[int, int]:
    match = _RATIO.fullmatch(text)
    if not match:
        nearly = _NEARLY_RATIO.match(text)
        raise Misfit(f"{nearly[1]}:{nearly[2]}" if nearly else "")
    return int(_in_range(parameter, int(match[1]))), int(_in_range(parameter, int(match[2])))


def _list(parameter: Parameter, text: str) -> tuple[str, ...]:
    if "::" in text:
        raise Misfit
    cleaned = [item.strip(f"{QUOTES}{DASHES} ") for item in text.split(",")]
    items = tuple(dict.fromkeys(item for item in cleaned if item))
    if not items:
        raise Misfit
    return items


READERS: dict[Kind, Callable[[Parameter, str], Value]] = {
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.ONE_OF: _one_of,
    Kind.RATIO: _ratio,
    Kind.LIST: _list,
}


def _in_range(parameter: Parameter, value: float) -> float:
    if not parameter.low <= value <= parameter.high:
        raise Misfit
    return value


def _without_punctuation(parameter: Parameter, text: str) -> str:
    """`7,` was meant as `7`, and `80%` as `80`; what does not become a value by that is no hint."""
    trimmed = text.rstrip(",;.%")
    try:
        return trimmed if trimmed != text and READERS[parameter.kind](parameter, trimmed) else ""
    except Misfit:
        return ""


def _missing(parameter: Parameter, position: int) -> Refusal:
    sentence = (
        f"{parameter.typed} at character {position} has no value. {range_words(parameter)}, "
        f"for example {parameter.sample}."
    )
    return Refusal("missing_value", sentence, field=parameter.field)


def _invalid(parameter: Parameter, text: str, *, position: int, hint: str) -> Refusal:
    example = f"{parameter.typed} {hint}" if hint else parameter.sample
    sentence = (
        f"{range_words(parameter)}, not {shown(text)} (character {position}). "
        f"{'Did you mean' if hint else 'For example'} {example}{'?' if hint else '.'}"
    )
    return Refusal("invalid_value", sentence, field=parameter.field)
