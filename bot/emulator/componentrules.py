"""Discord's rules for buttons, selects and rows, wherever they stand."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from bot.emulator.errors import Problem

Json = dict[str, Any]
Path = tuple[str | int, ...]

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS = (3, 5, 6, 7, 8)
LINK, PREMIUM = 5, 6
LABEL = 18
# Text inputs, labels, files, radio buttons, check boxes.
ONLY_IN_MODALS = (TEXT_INPUT, LABEL, 19, 21, 22, 23)
MOST_ROWS = 5
MOST_OPTIONS = 25


def check_components(components: list[Json], path: Path, *, v2: bool) -> Iterator[Problem]:
    if not v2 and len(components) > MOST_ROWS:
        yield bad_length(MOST_ROWS, path)
    for index, component in enumerate(components):
        if not v2 and component.get("type") != ROW:
            sentence = "Only action rows stand at the top of a message without components v2"
            yield Problem((*path, index, "type"), "UNION_TYPE_CHOICES", sentence)
    for component, place in walk(components, path):
        yield from _check_component(component, place)
    yield from check_unique(components, path)


def walk(components: list[Json], path: Path) -> Iterator[tuple[Json, Path]]:
    """Every component with its place, depth first."""
    for index, component in enumerate(components):
        place = (*path, index)
        yield component, place
        yield from walk(component.get("components") or [], (*place, "components"))
        for slot in ("component", "accessory"):
            if isinstance(component.get(slot), dict):
                yield component[slot], (*place, slot)


def check_unique(components: list[Json], path: Path) -> Iterator[Problem]:
    ids = Counter(c["custom_id"] for c, _ in walk(components, path) if c.get("custom_id"))
    for component, place in walk(components, path):
        if ids[component.get("custom_id") or ""] > 1:
            sentence = "Component custom id cannot be duplicated"
            yield Problem((*place, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", sentence)


def _check_component(component: Json, path: Path) -> Iterator[Problem]:
    kind = component.get("type")
    if kind == ROW:
        yield from _check_row(component, path)
    elif kind == BUTTON:
        yield from _check_button(component, path)
    elif kind in SELECTS:
        yield from check_select(component, path)
    elif kind in ONLY_IN_MODALS:
        yield Problem((*path, "type"), "UNION_TYPE_CHOICES", "This component stands in modals only")


def _check_row(row: Json, path: Path) -> Iterator[Problem]:
    children = row.get("components") or []
    for index, child in enumerate(children):
        if child.get("type") not in (BUTTON, *SELECTS, *ONLY_IN_MODALS):
            sentence = "Only buttons and selects stand in a row"
            yield Problem((*path, "components", index, "type"), "UNION_TYPE_CHOICES", sentence)
    selects = sum(child.get("type") in SELECTS for child in children)
    most = 1 if selects else 5
    if not 1 <= len(children) <= most:
        sentence = f"Must be between 1 and {most} in length."
        yield Problem((*path, "components"), "BASE_TYPE_BAD_LENGTH", sentence)


def _check_button(button: Json, path: Path) -> Iterator[Problem]:
    style = button.get("style")
    yield from too_long(button, "label", path, most=80)
    if style == PREMIUM or button.get("sku_id"):
        yield from _check_premium(button, path)
        return
    if style == LINK:
        if button.get("custom_id") or not button.get("url"):
            sentence = "A link button has a url and no custom id"
            yield Problem((*path, "url"), "BUTTON_COMPONENT_CUSTOM_ID_URL", sentence)
    else:
        yield from check_custom_id(button, path)
    if not button.get("label") and not button.get("emoji"):
        sentence = "A button needs a label or an emoji"
        yield Problem((*path, "label"), "BUTTON_COMPONENT_INVALID_LABEL", sentence)


def _check_premium(button: Json, path: Path) -> Iterator[Problem]:
    """Discord writes the name and the price on it."""
    more = [key for key in ("custom_id", "label", "url", "emoji") if button.get(key)]
    if button.get("style") != PREMIUM or not button.get("sku_id") or more:
        sentence = "A premium button has a sku_id and no custom_id, label, url or emoji"
        yield Problem((*path, "sku_id"), "BUTTON_COMPONENT_SKU_ID", sentence)


def check_custom_id(component: Json, path: Path) -> Iterator[Problem]:
    custom_id = component.get("custom_id")
    if not custom_id:
        sentence = "A custom id is required"
        yield Problem((*path, "custom_id"), "COMPONENT_CUSTOM_ID_REQUIRED", sentence)
    else:
        yield from too_long(component, "custom_id", path, most=100)


def check_select(select: Json, path: Path) -> Iterator[Problem]:
    yield from check_custom_id(select, path)
    yield from too_long(select, "placeholder", path, most=150)
    if select.get("type") == STRING_SELECT:
        yield from _check_options(select, path)
    yield from _check_bounds(select, path)


def _check_bounds(select: Json, path: Path) -> Iterator[Problem]:
    least, most = select.get("min_values"), select.get("max_values")
    least, most = 1 if least is None else least, 1 if most is None else most
    there = len(select.get("options") or []) or MOST_OPTIONS
    if not 0 <= least <= MOST_OPTIONS or not 1 <= most <= MOST_OPTIONS or least > most:
        sentence = "min_values and max_values are between 0 and 25, the first not above the second"
        yield Problem((*path, "min_values"), "NUMBER_TYPE_MAX", sentence)
    elif most > there:
        sentence = f"max_values is more than the {there} options there are"
        yield Problem((*path, "max_values"), "SELECT_COMPONENT_MAX_VALUES_TOO_LARGE", sentence)
    if sum(bool(option.get("default")) for option in select.get("options") or []) > most:
        sentence = "More defaults than may be chosen"
        yield Problem((*path, "options"), "SELECT_COMPONENT_TOO_MANY_DEFAULTS", sentence)


def _check_options(select: Json, path: Path) -> Iterator[Problem]:
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        yield bad_length(25, (*path, "options"))
    values = Counter(option.get("value") for option in options)
    for index, option in enumerate(options):
        place = (*path, "options", index)
        for key in ("label", "value", "description"):
            yield from too_long(option, key, place, most=100)
        if values[option.get("value")] > 1:
            sentence = "The specified option value is already used"
            yield Problem((*place, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", sentence)


def too_long(component: Json, key: str, path: Path, *, most: int) -> Iterator[Problem]:
    if len(str(component.get(key) or "")) > most:
        sentence = f"Must be {most} or fewer in length."
        yield Problem((*path, key), "BASE_TYPE_MAX_LENGTH", sentence)


def bad_length(most: int, path: Path) -> Problem:
    return Problem(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length.")
