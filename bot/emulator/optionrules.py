"""Discord's rules for a command's options: kinds, names, bounds, choices, subcommands."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bot.emulator.errors import Problem

Json = dict[str, Any]
Path = tuple[str | int, ...]

SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, CHANNEL, NUMBER = 3, 4, 7, 10
KINDS = range(1, 12)
MOST = 25
MOST_CHARACTERS = 6000
# Which kinds know which bounds.
BOUNDS = {
    "min_length": (STRING,),
    "max_length": (STRING,),
    "min_value": (INTEGER, NUMBER),
    "max_value": (INTEGER, NUMBER),
    "channel_types": (CHANNEL,),
}
NATURE: dict[Any, Any] = {STRING: str, INTEGER: int, NUMBER: (int, float)}


def check_options(
    options: list[Json], path: Path, *, inside: int | None = None
) -> Iterator[Problem]:
    """`inside` is the kind of option that these stand in: a subcommand, a group, or none."""
    if len(options) > MOST:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {MOST} or fewer in length.")
    if inside == GROUP and not options:
        yield Problem(path, "BASE_TYPE_REQUIRED", "A group holds at least one subcommand")
    yield from _check_mixture(options, path, inside=inside)
    yield from _check_order(options, path)
    names = Counter(option.get("name") for option in options)
    for index, option in enumerate(options):
        if names[option.get("name")] > 1:
            sentence = "Option names must be unique"
            place = (*path, index, "name")
            yield Problem(place, "APPLICATION_COMMAND_OPTIONS_NAME_TAKEN", sentence)
        yield from _check_option(option, (*path, index))


def _check_mixture(options: list[Json], path: Path, *, inside: int | None) -> Iterator[Problem]:
    kinds = {option.get("type") for option in options}
    allowed = {GROUP: {SUBCOMMAND}, SUBCOMMAND: set(KINDS) - {SUBCOMMAND, GROUP}}
    if kinds - allowed.get(inside or 0, set(KINDS)):
        sentence = "A group holds subcommands; a subcommand holds neither"
        yield Problem(path, "UNION_TYPE_CHOICES", sentence)
    nested = kinds & {SUBCOMMAND, GROUP}
    if nested and kinds - nested:
        sentence = "Sub-command and sub-command group options exclude all others"
        yield Problem(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", sentence)


def _check_order(options: list[Json], path: Path) -> Iterator[Problem]:
    optional_seen = False
    for index, option in enumerate(options):
        if option.get("required") and optional_seen:
            sentence = "Required options must be placed before non-required options"
            place = (*path, index)
            yield Problem(place, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", sentence)
        optional_seen = optional_seen or not option.get("required")


def _check_option(option: Json, path: Path) -> Iterator[Problem]:
    yield from check_name(option, path)
    kind = option.get("type")
    if kind in (SUBCOMMAND, GROUP):
        yield from check_options(option.get("options") or [], (*path, "options"), inside=kind)
        return
    yield from _check_bounds(option, path)
    yield from _check_choices(option, path)
    if option.get("autocomplete") and kind not in NATURE:
        sentence = "Only text and numbers can be completed"
        yield Problem(path, "APPLICATION_COMMAND_AUTOCOMPLETE_INVALID", sentence)


def _check_bounds(option: Json, path: Path) -> Iterator[Problem]:
    for key, kinds in BOUNDS.items():
        if option.get(key) is not None and option.get("type") not in kinds:
            sentence = f"{key} says nothing about this kind of option"
            yield Problem((*path, key), "APPLICATION_COMMAND_OPTION_BOUND_INVALID", sentence)
    for what in ("length", "value"):
        low, high = option.get(f"min_{what}"), option.get(f"max_{what}")
        if low is not None and high is not None and low > high:
            sentence = f"min_{what} must be less than or equal to max_{what}"
            yield Problem(
                (*path, f"min_{what}"), "APPLICATION_COMMAND_OPTION_BOUND_INVALID", sentence
            )
    for key, least in (("min_length", 0), ("max_length", 1)):
        if option.get(key) is not None and not least <= option[key] <= MOST_CHARACTERS:
            sentence = f"int value should be between {least} and {MOST_CHARACTERS}."
            yield Problem((*path, key), "NUMBER_TYPE_MAX", sentence)


def _check_choices(option: Json, path: Path) -> Iterator[Problem]:
    choices, place = option.get("choices") or [], (*path, "choices")
    if len(choices) > MOST:
        yield Problem(place, "BASE_TYPE_MAX_LENGTH", f"Must be {MOST} or fewer in length.")
    if choices and option.get("autocomplete"):
        sentence = "An option has choices or autocomplete, not both"
        yield Problem(path, "APPLICATION_COMMAND_AUTOCOMPLETE_WITH_CHOICES", sentence)
    names = Counter(choice.get("name") for choice in choices)
    for index, choice in enumerate(choices):
        if names[choice.get("name")] > 1:
            sentence = "Choice names must be unique"
            code = "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_TAKEN"
            yield Problem((*place, index, "name"), code, sentence)
        yield from _check_choice(choice, (*place, index), kind=option.get("type"))


def _check_choice(choice: Json, path: Path, *, kind: Any) -> Iterator[Problem]:
    if not 1 <= len(str(choice.get("name", ""))) <= 100:
        sentence = "Must be between 1 and 100 in length."
        yield Problem((*path, "name"), "BASE_TYPE_BAD_LENGTH", sentence)
    value = choice.get("value")
    if not isinstance(value, NATURE.get(kind, ())) or isinstance(value, bool):
        sentence = "The value is not of the option's kind"
        yield Problem((*path, "value"), "APPLICATION_COMMAND_OPTIONS_VALUE_INVALID", sentence)
    elif isinstance(value, str) and len(value) > 100:
        sentence = "Must be 100 or fewer in length."
        yield Problem((*path, "value"), "BASE_TYPE_MAX_LENGTH", sentence)


def check_name(thing: Json, path: Path) -> Iterator[Problem]:
    if not is_name(str(thing.get("name", ""))):
        sentence = "Command name is invalid: 1 to 32 lowercase letters, digits, - or _"
        yield Problem((*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", sentence)
    if not 1 <= len(thing.get("description") or "") <= 100:
        sentence = "Must be between 1 and 100 in length."
        yield Problem((*path, "description"), "BASE_TYPE_BAD_LENGTH", sentence)


def is_name(name: str) -> bool:
    """Discord's ^[-_'\\p{L}\\p{N}\\p{sc=Deva}\\p{sc=Thai}]{1,32}$, and no capitals."""
    if not 1 <= len(name) <= 32 or name != name.lower():
        return False
    return all(c in "-_'" or unicodedata.category(c)[0] in "LN" or _is_mark(c) for c in name)


def _is_mark(character: str) -> bool:
    return bool(re.match(r"[\u0900-\u097f\u0e00-\u0e7f]", character))
