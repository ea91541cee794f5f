"""What is written in a code that a machine undoes: base64, hex, percent signs, entities, nested twice. Pure."""

import base64
import binascii
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

DEPTH = 2
MOST = 24  # of one text; the rest of a text that is nothing but codes is garbled anyway
SHORTEST = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-zA-Z])(?:(?:0x|\\x|\\)?[0-9a-fA-F]{2}[\s,:]?){4,}(?![0-9a-zA-Z])")
_PAIRS = re.compile(r"(?:0x|\\x|\\)?([0-9a-fA-F]{2})[\s,:]?")
_ESCAPES = re.compile(r"\\u\{?([0-9a-fA-F]{4,5})\}?")


@dataclass(frozen=True, slots=True)
class Decoded:
    """`kind` names the codes, the outermost first: `url`, `base64+hex`."""

    text: str
    kind: str


def decoded(text: str, depth: int = DEPTH) -> list[Decoded]:
    """What is readable in it; what decodes to noise is left out."""
    found: dict[str, Decoded] = {}
    for inner in _once(text):
        found.setdefault(inner.text, inner)
        if depth > 1:
            for deeper in decoded(inner.text, depth - 1):
                found.setdefault(deeper.text, Decoded(deeper.text, f"{inner.kind}+{deeper.kind}"))
        if len(found) >= MOST:
            break
    return list(found.values())[:MOST]


def without_codes(text: str) -> str:
    """The text without the words in code that can be read: they are judged by themselves."""
    plain = _HEX.sub(lambda found: " " if _from_hex(found[0]) else found[0], text)
    return _BASE64.sub(lambda found: " " if _from_base64(found[0]) else found[0], plain)


def _once(text: str) -> Iterator[Decoded]:
    for kind, plain in (("url", _from_percent(text)), ("html", _from_entities(text))):
        if plain != text:
            yield Decoded(plain, kind)
    if "\\u" in text:
        yield Decoded(_ESCAPES.sub(_letter, text), "escapes")
    for found in _HEX.finditer(text):
        yield from _from_hex(found[0])
    for found in _BASE64.finditer(text):
        yield from _from_base64(found[0])


def _from_percent(text: str) -> str:
    return unquote(text) if "%" in text else text


def _from_entities(text: str) -> str:
    """`&amp;` alone is how people's tools write an ampersand, no code."""
    return html.unescape(text) if "&#" in text or "&amp;" in text else text


def _letter(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    return chr(point) if point < 0xD800 or 0xE000 <= point <= 0x10FFFF else ""


def _looks_coded(token: str) -> bool:
    """Words are in the alphabet of base64 too; a coded one has capitals or digits inside."""
    inner = token.rstrip("=")[1:]
    return len(inner) < len(token) - 1 or not (inner.islower() or inner.isupper())


def _from_hex(code: str) -> list[Decoded]:
    return _readable(bytes.fromhex("".join(_PAIRS.findall(code))), "hex")


def _from_base64(token: str) -> list[Decoded]:
    if not _looks_coded(token):
        return []
    standard = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4))
    except (binascii.Error, ValueError):
        return []
    return _readable(raw, "base64")


def _readable(raw: bytes, kind: str) -> list[Decoded]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return []
    long_enough = len(text) >= SHORTEST and text.replace("\n", " ").isprintable()
    return [Decoded(text, kind)] if long_enough else []
