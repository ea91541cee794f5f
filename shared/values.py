"""The value behind a parameter: text <-> value for each kind, with an error that shows the fix."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from shared.errors import Refusal
from shared.marks import BARE_COMMA, DASHES, QUOTES, Misfit, escaped, literal, plain, shown
from shared.parameterhelp import range_words
from shared.parameters import Kind, Parameter
from shared.references import (
    NAME,
    LoraChoice,
    StyleRef,
    read_links,
    read_loras,
    read_styles,
    write_lora,
    write_style,
)

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")
_RATIO = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")
_NEARLY_RATIO = re.compile(r"\s*([0-9]{1,6})\s*[:/xX×∶：]\s*([0-9]{1,6})\s*")


def read(parameter: Parameter, text: str, *, position: int) -> Any:
    """The value of a parameter; Refusal names the parameter, what it takes, the text and its place."""
    bare = text.strip().strip(QUOTES).strip()
    if not bare and parameter.bare:
        bare = parameter.bare
    elif not bare:
        raise _missing(parameter, position)
    try:
        value = READERS[parameter.kind](parameter, bare)
    except Misfit as misfit:
        at = position + max(0, text.find(bare)) + misfit.offset
        raise _invalid(parameter, misfit.word or bare, position=at, hint=misfit.hint) from None
    return _prefixed(parameter, value)


def write(parameter: Parameter, value: Any) -> str:
    """What `read` reads back as the same value; nothing for the value that stands for none."""
    if parameter.prefix:
        value = value.removeprefix(parameter.prefix).strip()
    return _written(value)


def _written(value: Any) -> str:
    match value:
        case float():
            return plain(value)
        case (int(), int()):
            return ":".join(map(str, value))
        case (str(), *_):
            return " ".join(value)
        case (StyleRef(), *_):
            return " ".join(map(write_style, value))
        case (LoraChoice(), *_):
            return " ".join(map(write_lora, value))
    return str(value)


def write_list(items: tuple[str, ...]) -> str:
    return ", ".join(map(_item, items))


def _item(text: str) -> str:
    """A comma of its own is escaped, and a backslash at its end must not escape the one behind it."""
    item = escaped(text)
    item = BARE_COMMA.sub(r"\\,", item)
    return f"{item} " if item.endswith("\\") else item


def _prefixed(parameter: Parameter, value: Any) -> Any:
    if not parameter.prefix or value == parameter.prefix:
        return value
    return f"{parameter.prefix} {value}"


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


def _name(parameter: Parameter, text: str) -> str:
    if not NAME.fullmatch(text):
        raise Misfit(_without_punctuation(parameter, text))
    return text.lower()


def _ratio(parameter: Parameter, text: str) -> tuple[int, int]:
    match = _RATIO.fullmatch(text)
    if not match:
        nearly = _NEARLY_RATIO.match(text)
        raise Misfit(f"{nearly[1]}:{nearly[2]}" if nearly else "")
    return int(_in_range(parameter, int(match[1]))), int(_in_range(parameter, int(match[2])))


def _list(parameter: Parameter, text: str) -> tuple[str, ...]:
    if "::" in text:
        raise Misfit
    cleaned = [literal(item).strip(f"{QUOTES}{DASHES} ") for item in BARE_COMMA.split(text)]
    items = tuple(dict.fromkeys(item for item in cleaned if item))
    if not items:
        raise Misfit
    return items


READERS: dict[Kind, Callable[[Parameter, str], Any]] = {
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.ONE_OF: _one_of,
    Kind.NAME: _name,
    Kind.RATIO: _ratio,
    Kind.LIST: _list,
    Kind.LINKS: lambda _, text: read_links(text),
    Kind.STYLES: lambda _, text: read_styles(text),
    Kind.LORAS: lambda _, text: read_loras(text),
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
    return Refusal("missing_value", sentence, field=parameter.field, position=position)


def _invalid(parameter: Parameter, text: str, *, position: int, hint: str) -> Refusal:
    example = f"{parameter.typed} {hint}" if hint else parameter.sample
    sentence = (
        f"{range_words(parameter)}, not {shown(text)} (character {position}). "
        f"{'Did you mean' if hint else 'For example'} {example}{'?' if hint else '.'}"
    )
    return Refusal("invalid_value", sentence, field=parameter.field, position=position)
