"""What a text says beneath its disguise: look-alikes, leet, spacing, stretching, simple codes. Pure.

A reading is a list of lower-case words. The first is the text as anyone reads it; the others undo
one disguise each, and what only they show was hidden on purpose or by chance.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

CYRILLIC = ("авеёіїјкмнорстухѕԁԛԝһпги", "abeeiijkmhopctyxsdqwhnru")
GREEK = ("αβεηικμνορτυχωγϲϳδ", "abenikuvoptuxwycjd")
ARMENIAN = ("օսհո", "ouhn")
LATIN = ("ıłøđħɑɡɩᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "ilodhagiabcdefghijklmnoprstuvwyz")
LOOK_ALIKES = {
    ord(mark): letter
    for marks, letters in (CYRILLIC, GREEK, ARMENIAN, LATIN)
    for mark, letter in zip(marks, letters, strict=True)
}
FLAGS = {0x1F1E6 + index: chr(97 + index) for index in range(26)}  # regional indicators
BOXES = {0x1F170 + index: chr(97 + index) for index in range(26)}  # negative squared letters
LEET = str.maketrans("034578@$!|+€9", "oeastbasilteg")
ONE_AS_I, ONE_AS_L = str.maketrans("1", "i"), str.maketrans("1", "l")
EDGES = "!?.-_*~'’`^\"“”"
_WORD = re.compile(r"[^\W_]+")
_CHUNK = re.compile(r"[^\s,;:/()\[\]<>“”\"]+")
_INNER = re.compile(r"[^\w@$!|+€*#]|_")
_STRETCHED = re.compile(r"(.)\1{2,}")
_SPACED = re.compile(r"(?<![^\W_])(?:[a-z0-9@$!][\s._\-~|/,'’*]+){2,}[a-z0-9@$!](?![^\W_])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2}){4,})")


@dataclass(frozen=True, slots=True)
class Reading:
    """`joined` words had their spaces removed, so a term may stand anywhere inside them."""

    words: tuple[str, ...]
    disguised: bool = True
    joined: bool = False


def readings(text: str) -> Iterator[Reading]:
    """Every reading of the text; the plain one first."""
    yield from _surface(text, disguised=False)
    for hidden in _decoded(text):
        yield from _surface(hidden, disguised=True)


def normalise(text: str) -> str:
    """One spelling for what looks alike: NFKC, lower case, no marks, nothing invisible, Latin."""
    plain = unicodedata.normalize("NFKD", html.unescape(text))
    kept = "".join(mark for mark in plain if unicodedata.category(mark) not in ("Mn", "Me", "Cf"))
    mapped = kept.translate(FLAGS).translate(BOXES).casefold().translate(LOOK_ALIKES)
    return unicodedata.normalize("NFKC", mapped)


def spelled(text: str) -> str:
    """The plain reading as one line of words."""
    return " ".join(words_of(normalise(text)))


def words_of(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.replace("'s", "").replace("’s", "")))


def _surface(text: str, *, disguised: bool) -> Iterator[Reading]:
    normal = normalise(text)
    words = words_of(normal)
    yield Reading(words, disguised)
    chunks = [chunk.strip(EDGES) for chunk in _CHUNK.findall(normal)]
    yield Reading(tuple(_unleet(chunk, ONE_AS_I, r"\1") for chunk in chunks))
    yield Reading(tuple(_unleet(chunk, ONE_AS_L, r"\1\1") for chunk in chunks))
    yield Reading(tuple(word[::-1] for word in words if len(word) > 3))
    yield Reading(tuple(codecs.decode(word, "rot13") for word in words if len(word) > 3))
    spaced = (_unspaced(found[0]) for found in _SPACED.finditer(normal))
    yield Reading(tuple(word for word in spaced if word), joined=True)


def _unleet(chunk: str, one: dict[int, int], stretch: str) -> str:
    """`n4-k3d` and `nakeeeed` as the word they stand for; what holds no letter stays as it is."""
    if not any(mark.isalpha() for mark in chunk):
        return chunk
    return _STRETCHED.sub(stretch, _INNER.sub("", chunk).translate(LEET).translate(one))


def _unspaced(text: str) -> str:
    letters = re.sub(r"[\s._\-~|/,'’*]+", "", text)
    enough = sum(mark.isalpha() for mark in letters) * 2 >= len(letters)
    return _unleet(letters, ONE_AS_I, r"\1") if enough else ""


def _decoded(text: str) -> Iterator[str]:
    """What is readable of percent signs, base64 and hex; the rest is noise and is left out."""
    if "%" in text and unquote(text) != text:
        yield unquote(text)
    for found in _HEX.finditer(text):
        yield from _readable(bytes.fromhex(found[1]))
    for found in _BASE64.finditer(text):
        yield from _from_base64(found[0])


def _from_base64(token: str) -> Iterator[str]:
    standard = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        yield from _readable(base64.b64decode(standard + "=" * (-len(standard) % 4)))
    except (binascii.Error, ValueError):
        return


def _readable(raw: bytes) -> Iterator[str]:
    text = raw.decode("ascii", errors="ignore")
    if len(text) == len(raw) and text.isprintable():
        yield text
