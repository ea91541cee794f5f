"""A person's option values, checked as Discord's own client checks them, as a command's data."""

from typing import Any

from bot.emulator.resolved import ATTACHMENT, CHANNEL, MENTIONABLE, ROLE, USER
from bot.emulator.world import Json

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, NUMBER = 1, 2, 3, 4, 5, 10
BY_ID = (USER, CHANNEL, ROLE, MENTIONABLE, ATTACHMENT)
Chosen = list[tuple[int, str]]


def to_options(
    command: Json, path: list[str], *, values: dict[str, Any], focused: str | None
) -> tuple[list[Json], Chosen]:
    """The nested options, and the ids among them with their kind."""
    node, wrappers = command, []
    for word in path:
        node = _child(node, word)
        wrappers.append(node)
    known = {option["name"]: option for option in node.get("options") or []}
    if any(option["type"] in (SUBCOMMAND, GROUP) for option in known.values()):
        raise ValueError(f"choose one of: {', '.join(known)}")
    if unknown := [name for name in values if name not in known]:
        raise ValueError(f"/{command['name']} has no option {unknown[0]!r}")
    chosen = _chosen(known, values, focused=focused)
    by_id = [(o["type"], o["value"]) for o in chosen if o["type"] in BY_ID]
    for wrapper in reversed(wrappers):
        chosen = [{"name": wrapper["name"], "type": wrapper["type"], "options": chosen}]
    return chosen, by_id


def _child(node: Json, word: str) -> Json:
    for option in node.get("options") or []:
        if option["name"] == word and option["type"] in (SUBCOMMAND, GROUP):
            return dict(option)
    raise ValueError(f"{node['name']} has no subcommand {word!r}")


def _chosen(known: dict[str, Json], values: dict[str, Any], *, focused: str | None) -> list[Json]:
    chosen = []
    for name, option in known.items():
        if name == focused:
            typed = str(values.get(name, ""))
            chosen.append({"name": name, "type": option["type"], "value": typed, "focused": True})
        elif focused and option["type"] in BY_ID and not str(values.get(name)).isdigit():
            continue  # Still being typed.
        elif name in values and values[name] is not None:
            value = values[name] if focused else checked(option, values[name])
            chosen.append({"name": name, "type": option["type"], "value": value})
        elif option.get("required") and not focused:
            raise ValueError(f"{name} is required")
    return chosen


def checked(option: Json, value: Any) -> Any:
    """The value in the option's type, or ValueError in words for the person."""
    name, kind = option["name"], option["type"]
    if kind == STRING:
        value = _text(option, str(value))
    elif kind in (INTEGER, NUMBER):
        value = _number(option, value)
    elif kind == BOOLEAN:
        value = _truth(option, value)
    else:
        value = str(value)
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}")
    return value


def _truth(option: Json, value: Any) -> bool:
    word = str(value).lower()
    if word not in ("true", "false"):
        raise ValueError(f"{option['name']} must be True or False")
    return word == "true"


def _text(option: Json, value: str) -> str:
    least, most = option.get("min_length") or 0, option.get("max_length") or 6000
    if not least <= len(value) <= most:
        raise ValueError(f"{option['name']} must have between {least} and {most} characters")
    return value


def _number(option: Json, value: Any) -> int | float:
    name = option["name"]
    try:
        number = int(str(value)) if option["type"] == INTEGER else float(value)
    except ValueError:
        raise ValueError(f"{name} must be a number") from None
    least, most = option.get("min_value"), option.get("max_value")
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} must be at most {most}")
    return number
