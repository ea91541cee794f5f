"""Discord's rules for modals: what a form may hold, and how long its words may be."""

from collections.abc import Iterator

from bot.emulator.componentrules import (
    LABEL,
    ROW,
    SELECTS,
    TEXT_INPUT,
    Json,
    Path,
    bad_length,
    check_custom_id,
    check_select,
    check_unique,
    too_long,
    walk,
)
from bot.emulator.errors import Problem

TEXT_DISPLAY, FILE_UPLOAD, RADIOS, CHECKS, CHECK = 10, 19, 21, 22, 23
MOST_ROWS, MOST_CHARACTERS, MOST_FILES, MOST_CHECKS = 5, 4000, 10, 10
SHORT, PARAGRAPH = 1, 2


def check_modal(modal: Json, path: Path) -> Iterator[Problem]:
    yield from _between(modal, "title", path, least=1, most=45)
    yield from check_custom_id(modal, path)
    components = modal.get("components") or []
    place = (*path, "components")
    if not 1 <= len(components) <= MOST_ROWS:
        yield bad_length(MOST_ROWS, place)
    for index, component in enumerate(components):
        yield from _check_part(component, (*place, index))
    yield from check_unique(components, place)
    if not any(c.get("custom_id") for c, _ in walk(components, place)):
        sentence = "A modal asks for something"
        yield Problem(place, "MODAL_WITHOUT_INTERACTIVE_COMPONENTS", sentence)


def _check_part(part: Json, path: Path) -> Iterator[Problem]:
    kind = part.get("type")
    if kind == ROW:
        yield from _check_row(part, path)
    elif kind == LABEL:
        yield from _between(part, "label", path, least=1, most=45)
        yield from too_long(part, "description", path, most=100)
        yield from _check_labelled(part.get("component") or {}, (*path, "component"))
    elif kind != TEXT_DISPLAY:
        yield _not_here(path)


def _check_row(row: Json, path: Path) -> Iterator[Problem]:
    """The older way: one text input in a row, with its label on itself."""
    children = row.get("components") or []
    if len(children) != 1:
        yield bad_length(1, (*path, "components"))
    for index, child in enumerate(children):
        place = (*path, "components", index)
        if child.get("type") != TEXT_INPUT:
            yield _not_here(place)
        else:
            yield from _between(child, "label", place, least=1, most=45)
            yield from _check_text(child, place)


def _check_labelled(field: Json, path: Path) -> Iterator[Problem]:
    kind = field.get("type")
    if kind == TEXT_INPUT:
        if field.get("label"):
            sentence = "A text input under a label has none of its own"
            yield Problem((*path, "label"), "COMPONENT_LABEL_NOT_ALLOWED", sentence)
        yield from _check_text(field, path)
    elif kind in SELECTS:
        yield from check_select(field, path)
        yield from _check_wish(field, path)
    elif kind == FILE_UPLOAD:
        yield from check_custom_id(field, path)
        yield from _check_wish(field, path)
        yield from _ordered(field, "min_values", "max_values", path, most=MOST_FILES)
    elif kind in (RADIOS, CHECKS):
        yield from _check_choices(field, path, least=2 if kind == RADIOS else 1)
    elif kind == CHECK:
        yield from check_custom_id(field, path)
    else:
        yield _not_here(path)


def _check_wish(field: Json, path: Path) -> Iterator[Problem]:
    if field.get("disabled"):
        sentence = "Nothing in a modal can be disabled"
        yield Problem((*path, "disabled"), "COMPONENT_DISABLED_NOT_ALLOWED", sentence)
    if field.get("min_values") == 0 and field.get("required") is not False:
        sentence = "What is required has at least one value"
        yield Problem((*path, "min_values"), "COMPONENT_REQUIRED_MIN_VALUES", sentence)


def _check_choices(field: Json, path: Path, *, least: int) -> Iterator[Problem]:
    yield from check_custom_id(field, path)
    options = field.get("options") or []
    if not least <= len(options) <= MOST_CHECKS:
        yield bad_length(MOST_CHECKS, (*path, "options"))
    for index, option in enumerate(options):
        for key in ("label", "value"):
            yield from _between(option, key, (*path, "options", index), least=1, most=100)
    if field["type"] == CHECKS:
        yield from _check_wish(field, path)
        yield from _ordered(field, "min_values", "max_values", path, most=MOST_CHECKS)


def _check_text(field: Json, path: Path) -> Iterator[Problem]:
    yield from check_custom_id(field, path)
    yield from too_long(field, "placeholder", path, most=100)
    if field.get("style") not in (SHORT, PARAGRAPH):
        yield Problem((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.")
    yield from _ordered(field, "min_length", "max_length", path, most=MOST_CHARACTERS)
    most = field.get("max_length") or MOST_CHARACTERS
    yield from too_long(field, "value", path, most=min(most, MOST_CHARACTERS))


def _ordered(field: Json, low: str, high: str, path: Path, *, most: int) -> Iterator[Problem]:
    least, greatest = field.get(low) or 0, field.get(high)
    if not 0 <= least <= most:
        sentence = f"int value should be between 0 and {most}."
        yield Problem((*path, low), "NUMBER_TYPE_MAX", sentence)
    if greatest is not None and not 1 <= greatest <= most:
        sentence = f"int value should be between 1 and {most}."
        yield Problem((*path, high), "NUMBER_TYPE_MAX", sentence)
    if greatest is not None and least > greatest:
        sentence = f"{low} must be less than or equal to {high}"
        yield Problem((*path, low), "COMPONENT_MIN_MAX_INVALID", sentence)


def _between(thing: Json, key: str, path: Path, *, least: int, most: int) -> Iterator[Problem]:
    if not least <= len(str(thing.get(key) or "")) <= most:
        sentence = f"Must be between {least} and {most} in length."
        yield Problem((*path, key), "BASE_TYPE_BAD_LENGTH", sentence)


def _not_here(path: Path) -> Problem:
    return Problem((*path, "type"), "UNION_TYPE_CHOICES", "This component stands in no modal here")
