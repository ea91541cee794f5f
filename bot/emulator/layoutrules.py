"""Discord's rules for components v2: what stands in what, how many, how many characters."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from bot.emulator.componentrules import BUTTON, ROW, bad_length, too_long, walk
from bot.emulator.errors import Problem

Json = dict[str, Any]
Path = tuple[str | int, ...]

SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
ONLY_IN_LAYOUTS = {SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER}
ON_TOP = {ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER}
MOST_COMPONENTS = 40
MOST_CHARACTERS = 4000
MOST_ITEMS = 10
MOST_DESCRIPTION = 1024
LINKS = ("http://", "https://", "attachment://")


def is_layout(components: list[Json]) -> bool:
    return any(component.get("type") in ONLY_IN_LAYOUTS for component, _ in walk(components, ()))


def words_of(components: list[Json]) -> str:
    """Everything that its text displays say."""
    every = walk(components, ())
    return "\n".join(c["content"] for c, _ in every if c.get("type") == TEXT and c.get("content"))


def check_layout(components: list[Json], path: Path) -> Iterator[Problem]:
    every = list(walk(components, path))
    if len(every) > MOST_COMPONENTS:
        yield bad_length(MOST_COMPONENTS, path)
    if (
        sum(len(c.get("content") or "") for c, _ in every if c.get("type") == TEXT)
        > MOST_CHARACTERS
    ):
        sentence = f"All text displays together hold {MOST_CHARACTERS} or fewer characters."
        yield Problem(path, "COMPONENT_MAX_TOTAL_TEXT_DISPLAY_LENGTH_EXCEEDED", sentence)
    yield from _stand(components, path, allowed=ON_TOP)
    yield from _check_ids(every)
    for component, place in every:
        yield from _check_part(component, place)


def _stand(components: list[Json], path: Path, *, allowed: set[int]) -> Iterator[Problem]:
    for index, component in enumerate(components):
        if component.get("type") not in allowed:
            sentence = f'Value of field "type" must be one of {tuple(sorted(allowed))}.'
            yield Problem((*path, index, "type"), "UNION_TYPE_CHOICES", sentence)


def _check_ids(every: list[tuple[Json, Path]]) -> Iterator[Problem]:
    ids = Counter(component["id"] for component, _ in every if component.get("id"))
    for component, place in every:
        if ids[component.get("id") or 0] > 1:
            sentence = "Component id cannot be duplicated"
            yield Problem((*place, "id"), "COMPONENT_ID_DUPLICATED", sentence)


def _check_part(part: Json, path: Path) -> Iterator[Problem]:
    kind = part.get("type")
    if kind == CONTAINER:
        yield from _check_container(part, path)
    elif kind == SECTION:
        yield from _check_section(part, path)
    elif kind == TEXT:
        yield from _check_text(part, path)
    elif kind == THUMBNAIL:
        yield from _check_media(part, path)
    elif kind == GALLERY:
        yield from _check_gallery(part, path)
    elif kind == FILE and not str(part.get("file", {}).get("url")).startswith("attachment://"):
        sentence = "Scheme must be one of attachment"
        yield Problem((*path, "file", "url"), "URL_TYPE_INVALID_SCHEME", sentence)
    elif kind == SEPARATOR and part.get("spacing") not in (None, 1, 2):
        yield Problem((*path, "spacing"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.")


def _check_container(container: Json, path: Path) -> Iterator[Problem]:
    children = container.get("components") or []
    if not children:
        yield bad_length(MOST_COMPONENTS, (*path, "components"))
    yield from _stand(children, (*path, "components"), allowed=ON_TOP - {CONTAINER})
    colour = container.get("accent_color")
    if colour is not None and not 0 <= colour <= 0xFFFFFF:
        sentence = "int value should be between 0 and 16777215."
        yield Problem((*path, "accent_color"), "NUMBER_TYPE_MAX", sentence)


def _check_section(section: Json, path: Path) -> Iterator[Problem]:
    texts = section.get("components") or []
    if not 1 <= len(texts) <= 3:
        yield bad_length(3, (*path, "components"))
    yield from _stand(texts, (*path, "components"), allowed={TEXT})
    if (section.get("accessory") or {}).get("type") not in (BUTTON, THUMBNAIL):
        sentence = "A section has a button or a thumbnail beside it"
        yield Problem((*path, "accessory"), "BASE_TYPE_REQUIRED", sentence)


def _check_text(text: Json, path: Path) -> Iterator[Problem]:
    if not 1 <= len(text.get("content") or "") <= MOST_CHARACTERS:
        yield bad_length(MOST_CHARACTERS, (*path, "content"))


def _check_gallery(gallery: Json, path: Path) -> Iterator[Problem]:
    items = gallery.get("items") or []
    if not 1 <= len(items) <= MOST_ITEMS:
        yield bad_length(MOST_ITEMS, (*path, "items"))
    for index, item in enumerate(items):
        yield from _check_media(item, (*path, "items", index))


def _check_media(item: Json, path: Path) -> Iterator[Problem]:
    if not str((item.get("media") or {}).get("url")).startswith(LINKS):
        sentence = "Scheme must be one of http, https, attachment"
        yield Problem((*path, "media", "url"), "URL_TYPE_INVALID_SCHEME", sentence)
    yield from too_long(item, "description", path, most=MOST_DESCRIPTION)
    if item.get("description") == "":
        yield bad_length(MOST_DESCRIPTION, (*path, "description"))
