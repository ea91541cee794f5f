"""A bot's form (modal) as its person sends it back. ValueError says in words what is missing."""

from typing import Any

from bot.emulator.resolved import KIND_OF_SELECT, KIND_OF_UPLOAD
from bot.emulator.world import Json

STRING_SELECT, TEXT_INPUT, TEXT_DISPLAY, LABEL, FILE_UPLOAD = 3, 4, 10, 18, 19
RADIOS, CHECKS, CHECK = 21, 22, 23
WITH_OPTIONS = (STRING_SELECT, RADIOS, CHECKS)
MOST_CHARACTERS = 4000
Chosen = list[tuple[int, str]]


def numbered(modal: Json) -> Json:
    """With the ids that Discord gives to components that came without."""
    taken = iter(range(1, 1000))

    def number(component: Json) -> Json:
        shown = {**component, "id": component.get("id") or next(taken)}
        if "component" in shown:
            shown["component"] = number(shown["component"])
        if "components" in shown:
            shown["components"] = [number(child) for child in shown["components"]]
        return shown

    return modal | {"components": [number(each) for each in modal["components"]]}


def filled(modal: Json, values: dict[str, Any]) -> tuple[list[Json], Chosen]:
    """The components as they are sent, and the ids that were chosen, with the kind of each."""
    chosen: Chosen = []
    return [_part(each, values, chosen) for each in modal["components"]], chosen


def _part(part: Json, values: dict[str, Any], chosen: Chosen) -> Json:
    body: Json = {"type": part["type"], "id": part["id"]}
    if part["type"] == TEXT_DISPLAY:
        return body
    if part["type"] == LABEL:
        named = part["component"] | {"label": part["label"]}
        return body | {"component": _field(named, values, chosen)}
    return body | {"components": [_field(c, values, chosen) for c in part["components"]]}


def _field(field: Json, values: dict[str, Any], chosen: Chosen) -> Json:
    body: Json = {key: field[key] for key in ("type", "id", "custom_id")}
    given = values.get(field["custom_id"])
    if field["type"] == TEXT_INPUT:
        return body | {"value": _text(field, field.get("value") or "" if given is None else given)}
    if field["type"] == CHECK:
        value = field.get("default") if given is None else str(given).lower() == "true"
        return body | {"value": bool(value)}
    picked = _picked(field, given)
    if field["type"] == RADIOS:
        return body | {"value": picked[0] if picked else None}
    kind = KIND_OF_SELECT.get(field["type"]) or KIND_OF_UPLOAD.get(field["type"])
    if kind is not None:
        chosen += [(kind, id) for id in picked]
    return body | {"values": picked}


def _text(field: Json, text: Any) -> str:
    name, value = field.get("label") or field["custom_id"], str(text)
    if not value and field.get("required") is not False:
        raise ValueError(f"{name} is required")
    least, most = field.get("min_length") or 0, field.get("max_length") or MOST_CHARACTERS
    if value and not least <= len(value) <= most:
        raise ValueError(f"{name} must have between {least} and {most} characters")
    return value


def _picked(field: Json, given: Any) -> list[str]:
    """What was chosen in a select or a list of files; `required` where the field does not say."""
    name = field.get("label") or field["custom_id"]
    picked = _default(field) if given is None else [given] if isinstance(given, str) else given
    picked = [str(each) for each in picked if each]
    if not picked and field.get("required") is not False:
        raise ValueError(f"{name} is required")
    known = {option["value"] for option in field.get("options") or []}
    if field["type"] in WITH_OPTIONS and (unknown := set(picked) - known):
        raise ValueError(f"{name} has no option {sorted(unknown)[0]!r}")
    least, most = bounds(field)
    if picked and not least <= len(picked) <= most:
        raise ValueError(f"{name}: choose between {least} and {most}")
    return picked


def _default(field: Json) -> list[str]:
    given = [option["value"] for option in field.get("options") or [] if option.get("default")]
    return given or [value["id"] for value in field.get("default_values") or []]


def bounds(field: Json) -> tuple[int, int]:
    """How many may be chosen; Discord takes one where nothing is said."""
    least, most = field.get("min_values"), field.get("max_values")
    if field["type"] == CHECKS and most is None:
        most = len(field["options"])
    return 1 if least is None else least, 1 if most is None else most
