"""A person's option values, checked as Discord's own client checks them, as a command's data."""

from typing import Any

from bot.emulator import payloads, people
from bot.emulator.world import Json, World

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE = range(1, 9)
MENTIONABLE, NUMBER, ATTACHMENT = 9, 10, 11
RESOLVED = {
    USER: ("users", "members"),
    MENTIONABLE: ("users", "members"),
    CHANNEL: ("channels",),
    ROLE: ("roles",),
    ATTACHMENT: ("attachments",),
}


def to_options(
    world: World,
    command: Json,
    path: list[str],
    *,
    values: dict[str, Any],
    focused: str | None,
) -> tuple[list[Json], Json]:
    """The nested options and what they resolve to."""
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
    resolved = _resolve(world, known, values)
    for wrapper in reversed(wrappers):
        chosen = [{"name": wrapper["name"], "type": wrapper["type"], "options": chosen}]
    return chosen, resolved


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
        value = value in (True, "true", "True", "1")
    else:
        value = str(value)
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}")
    return value


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


def _resolve(world: World, known: dict[str, Json], values: dict[str, Any]) -> Json:
    resolved: Json = {}
    for name, value in values.items():
        for place in RESOLVED.get(known[name]["type"], ()):
            if (found := _look_up(world, place, str(value))) is not None:
                resolved.setdefault(place, {})[str(value)] = found
    return resolved


def _look_up(world: World, place: str, id: str) -> Json | None:
    if place == "attachments":
        return (
            payloads.attachment(world.attachments[id], world) if id in world.attachments else None
        )
    if place == "channels":
        return payloads.channel(world.channels[id], world) if id in world.channels else None
    if place == "roles":
        return next((payloads.role(role) for role in people.ROLES if role.id == id), None)
    person = world.people.get(id)
    if person is None:
        return None
    if place == "users":
        return payloads.user(person)
    member = payloads.member(person, permissions=people.permissions_of(person))
    return {key: value for key, value in member.items() if key != "user"}
