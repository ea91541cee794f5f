"""Discord's rules for application commands and their options."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from bot.emulator.errors import Problem
from bot.emulator.optionrules import check_name, check_options

Json = dict[str, Any]
Path = tuple[str | int, ...]

CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
MOST_CHARACTERS = 8000
MOST_COMMANDS = {CHAT_INPUT: 100, USER_MENU: 5, MESSAGE_MENU: 5}
CONTEXTS = {0, 1, 2}
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
    kinds = Counter(command.get("type", CHAT_INPUT) for command in listed)
    for kind, most in MOST_COMMANDS.items():
        if kinds[kind] > most:
            sentence = f"Maximum number of application commands reached ({most})"
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
    yield from _check_contexts(command, path)
    if command.get("type", CHAT_INPUT) != CHAT_INPUT:
        yield from _check_menu(command, path)
        return
    yield from check_name(command, path)
    yield from check_options(command.get("options") or [], (*path, "options"))
    if count_characters(command) > MOST_CHARACTERS:
        sentence = f"Command exceeds maximum size ({MOST_CHARACTERS})"
        yield Problem(path, "APPLICATION_COMMAND_TOO_LARGE", sentence)


def _check_contexts(command: Json, path: Path) -> Iterator[Problem]:
    contexts = command.get("contexts")
    if contexts is None:
        return
    if not contexts or len(set(contexts)) < len(contexts) or set(contexts) - CONTEXTS:
        sentence = "Contexts are some of {0, 1, 2}, each once"
        yield Problem((*path, "contexts"), "BASE_TYPE_CHOICES", sentence)


def _check_menu(command: Json, path: Path) -> Iterator[Problem]:
    """A menu's command has a name as people read it, and nothing else."""
    if not 1 <= len(str(command.get("name", "")).strip()) <= 32:
        sentence = "Must be between 1 and 32 in length."
        yield Problem((*path, "name"), "BASE_TYPE_BAD_LENGTH", sentence)
    for key in ("description", "options"):
        if command.get(key):
            sentence = f"Context menu commands cannot have {key}"
            code = f"APPLICATION_COMMAND_CONTEXT_MENU_{key.upper()}_INVALID"
            yield Problem((*path, key), code, sentence)


def count_characters(thing: Json) -> int:
    """What counts towards a command's 8,000: names, descriptions and choices, all the way down."""
    own = len(str(thing.get("name", ""))) + len(str(thing.get("description") or ""))
    choices = sum(
        len(str(c.get("name", ""))) + len(str(c.get("value", "")))
        for c in thing.get("choices") or []
    )
    return own + choices + sum(map(count_characters, thing.get("options") or []))
