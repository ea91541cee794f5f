"""Discord's rules for application commands and their options."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bot.emulator.errors import Problem

Json = dict[str, Any]
Path = tuple[str | int, ...]

CHAT_INPUT, SUBCOMMAND, GROUP = 1, 1, 2
STRING, INTEGER, NUMBER = 3, 4, 10
MOST_CHARACTERS = 8000
MOST_COMMANDS = 100
KNOWN = {
    "contexts",
    "default_member_permissions",
    "description",
    "description_localizations",
    "dm_permission",
    "handler",
    "id",
    "integration_types",
    "name",
    "name_localizations",
    "nsfw",
    "options",
    "type",
}


def check_commands(commands: Any) -> Iterator[Problem]:
    listed = commands or []
    if len([c for c in listed if c.get("type", 1) == CHAT_INPUT]) > MOST_COMMANDS:
        sentence = f"Maximum number of application commands reached ({MOST_COMMANDS})"
        yield Problem((), "APPLICATION_COMMAND_TOO_MANY", sentence)
    names = Counter((command.get("name"), command.get("type", 1)) for command in listed)
    for index, command in enumerate(listed):
        yield from _check_command(command, (index,))
        if names[command.get("name"), command.get("type", 1)] > 1:
            sentence = "Application command names must be unique"
            yield Problem((index, "name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", sentence)


def _check_command(command: Json, path: Path) -> Iterator[Problem]:
    for key in command:
        if key not in KNOWN:
            yield Problem((*path, key), "UNKNOWN_FIELD", f"Discord knows no field {key!r} here")
    if command.get("type", 1) != CHAT_INPUT:
        return
    yield from _check_name(command, path)
    yield from _check_options(command.get("options") or [], (*path, "options"))
    if count_characters(command) > MOST_CHARACTERS:
        sentence = f"Command exceeds maximum size ({MOST_CHARACTERS})"
        yield Problem(path, "APPLICATION_COMMAND_TOO_LARGE", sentence)


def _check_name(thing: Json, path: Path) -> Iterator[Problem]:
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


def _check_options(options: list[Json], path: Path) -> Iterator[Problem]:
    if len(options) > 25:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names = Counter(option.get("name") for option in options)
    optional_seen = False
    for index, option in enumerate(options):
        place = (*path, index)
        if names[option.get("name")] > 1:
            sentence = "Option names must be unique"
            yield Problem((*place, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_TAKEN", sentence)
        if option.get("required") and optional_seen:
            sentence = "Required options must be placed before non-required options"
            yield Problem(place, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", sentence)
        optional_seen = optional_seen or not option.get("required")
        yield from _check_option(option, place)


def _check_option(option: Json, path: Path) -> Iterator[Problem]:
    yield from _check_name(option, path)
    if option.get("type") in (SUBCOMMAND, GROUP):
        yield from _check_options(option.get("options") or [], (*path, "options"))
        return
    choices = option.get("choices") or []
    if len(choices) > 25:
        yield Problem((*path, "choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    if choices and option.get("autocomplete"):
        sentence = "An option has choices or autocomplete, not both"
        yield Problem(path, "APPLICATION_COMMAND_AUTOCOMPLETE_WITH_CHOICES", sentence)
    if option.get("autocomplete") and option.get("type") not in (STRING, INTEGER, NUMBER):
        sentence = "Only text and numbers can be completed"
        yield Problem(path, "APPLICATION_COMMAND_AUTOCOMPLETE_INVALID", sentence)
    for index, choice in enumerate(choices):
        if not 1 <= len(str(choice.get("name", ""))) <= 100:
            sentence = "Must be between 1 and 100 in length."
            yield Problem((*path, "choices", index, "name"), "BASE_TYPE_BAD_LENGTH", sentence)


def count_characters(thing: Json) -> int:
    """What counts towards a command's 8,000: names, descriptions and choices, all the way down."""
    own = len(str(thing.get("name", ""))) + len(str(thing.get("description") or ""))
    choices = sum(
        len(str(c.get("name", ""))) + len(str(c.get("value", "")))
        for c in thing.get("choices") or []
    )
    return own + choices + sum(map(count_characters, thing.get("options") or []))
