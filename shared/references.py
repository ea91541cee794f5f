"""What a prompt names beside words: links to pictures, style codes, LoRAs. Text <-> typed data. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

from shared.errors import Refusal
from shared.marks import QUOTES, Misfit, plain, shown

MOST_IMAGES = 5
MOST_REFERENCES = 5
MOST_LORAS = 5
HEAVIEST_LORA = 4.0
HEAVIEST_STYLE = 100.0
HIGHEST_CODE = 2**32 - 1
RANDOM = "random"
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
LONGEST_LINK = 1024
NAME = re.compile(r"[^\W_][\w.+-]{0,63}")

_WRAPPED = f"{QUOTES}<>"
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_ANYWHERE = re.compile(rf"(?<!\S)[{_WRAPPED}]*https?://\S+", re.IGNORECASE)
_WORD = re.compile(r"\S+")
_CODE = re.compile(r"[0-9]{1,10}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,6}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")

One = TypeVar("One")


@dataclass(frozen=True, slots=True)
class StyleRef:
    """`what` is a link to a picture, the digits of a style code, or `random`."""

    what: str
    weight: float = 1.0

    @property
    def is_link(self) -> bool:
        return _SCHEME.match(self.what) is not None

    @property
    def is_code(self) -> bool:
        return self.what.isdecimal()


@dataclass(frozen=True, slots=True)
class LoraChoice:
    """A LoRA as it was asked for; no weight is the one that the catalog gives it."""

    name: str
    weight: float | None = None


def read_images(head: str, *, attached: int = 0) -> tuple[tuple[str, ...], int]:
    """The links that the text begins with, and where what follows them begins (from 0).

    Refusal for a link that names no picture, for too many of them (`attached` came with the message),
    and for one that stands behind words.
    """
    links, rest = [], 0
    for word in _WORD.finditer(head):
        if not _ANYWHERE.fullmatch(word[0]):
            break
        links.append(_checked(word[0], word.start() + 1))
        _check_many(len(links) + attached, word.start() + 1)
        rest = word.end()
    late = _ANYWHERE.search(head, rest)
    if late:
        raise _misplaced(late[0], late.start() + 1)
    return tuple(links), rest


def starts_with_link(text: str) -> bool:
    first = _WORD.search(text)
    return first is not None and _ANYWHERE.fullmatch(first[0]) is not None


def read_links(text: str) -> tuple[str, ...]:
    return _each(text, _link)


def read_styles(text: str) -> tuple[StyleRef, ...]:
    return _each(text, _style)


def read_loras(text: str) -> tuple[LoraChoice, ...]:
    return _each(text, _lora)


def replace_drawn(value: str, drawn: Mapping[StyleRef, int]) -> str:
    """Style references as they were typed, with a code in place of each `random`."""

    def code(word: re.Match[str]) -> str:
        known = [style for style in read_styles(word[0]) if style in drawn]
        return write_style(replace(known[0], what=str(drawn[known[0]]))) if known else word[0]

    return _WORD.sub(code, value)


def write_style(style: StyleRef) -> str:
    return style.what if style.weight == 1 else f"{style.what}::{plain(style.weight)}"


def write_lora(lora: LoraChoice) -> str:
    return lora.name if lora.weight is None else f"{lora.name}:{plain(lora.weight)}"


def _each(text: str, read: Callable[[str], One]) -> tuple[One, ...]:
    """Every word of the text; Misfit that says which one does not fit, and where it stands."""
    found: list[One] = []
    for word, offset in _words(text):
        try:
            found.append(read(word))
        except Misfit as misfit:
            raise Misfit(misfit.hint, word=word, offset=offset) from None
    return tuple(dict.fromkeys(found))


def _words(text: str) -> Iterator[tuple[str, int]]:
    for word in _WORD.finditer(text):
        bare = word[0].strip(f"{_WRAPPED},;")
        if bare:
            yield bare, word.start() + word[0].index(bare)


def _link(word: str) -> str:
    if why_no_picture(word):
        raise Misfit
    return word


def _style(word: str) -> StyleRef:
    what, mark, weight = word.rpartition("::")
    if not mark or _SCHEME.match(weight):
        what, weight = word, "1"
    share = _decimal(weight, HEAVIEST_STYLE)
    if share <= 0:
        raise Misfit(f"{what}::1")
    return StyleRef(_style_name(what), share)


def _style_name(what: str) -> str:
    if what.lower() == RANDOM:
        return RANDOM
    if _CODE.fullmatch(what) and int(what) <= HIGHEST_CODE:
        return str(int(what))
    return _link(what)


def _lora(word: str) -> LoraChoice:
    name, mark, weight = word.partition(":")
    if not NAME.fullmatch(name):
        raise Misfit
    return LoraChoice(name, _decimal(weight, HEAVIEST_LORA) if mark else None)


def _decimal(text: str, most: float) -> float:
    if not _DECIMAL.fullmatch(text) or abs(float(text)) > most:
        raise Misfit
    return float(text)


def why_no_picture(link: str) -> str:
    """The reason why this is no direct link to a picture, or nothing."""
    if not _SCHEME.match(link):
        return "is no link"
    if len(link) > LONGEST_LINK:
        return f"is longer than {LONGEST_LINK:,} characters"
    try:
        parts = urlsplit(link)
    except ValueError:
        return "is no link"
    if not parts.hostname:
        return "names no host"
    if not parts.path.lower().endswith(ENDINGS):
        return f"does not end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
    return ""


def _checked(word: str, position: int) -> str:
    link = word.strip(f"{_WRAPPED},;")
    why = why_no_picture(link)
    if why:
        sentence = (
            f"{shown(link)} at character {position} {why}. Open the picture itself and "
            "copy its own address."
        )
        raise Refusal("invalid_link", sentence, field="images", position=position)
    return link


def _check_many(many: int, position: int) -> None:
    if many > MOST_IMAGES:
        sentence = (
            f"The picture at character {position} is number {many}; {MOST_IMAGES} are the most."
        )
        raise Refusal("too_many_images", sentence, field="images", position=position)


def _misplaced(link: str, position: int) -> Refusal:
    sentence = (
        f"The link {shown(link)} at character {position} stands behind words. Links to pictures come first: "
        "move it to the front, or behind --sref or --cref."
    )
    return Refusal("misplaced_link", sentence, field="images", position=position)
