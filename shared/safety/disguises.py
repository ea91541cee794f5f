"""What a text says beneath its disguise: codes, leet, spacing, stretching. Pure.

A reading is a line of lower-case words. The first is the text as anyone reads it; each of the others
undoes one disguise, and what only they show was hidden on purpose or by chance. Words that are
reversed or in rot13 need no reading of their own: the gazetteer knows its terms in both.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.safety.decoding import decoded
from shared.safety.lookalikes import normalise

PLAIN = ""
LEET, SPACED = "leet", "spaced"
_LEET = str.maketrans("034578@$!|+€9", "oeastbasilteg")
_LONE = {"4": "a", "@": "a"}  # in a line of leet
_ONE_AS_I, _ONE_AS_L = str.maketrans("1", "i"), str.maketrans("1", "l")
EDGES = "!?.-_~'’`^\"“”"
_WORD = re.compile(r"[^\W_]+")
_CHUNK = re.compile(r"[^\s,;:/()\[\]<>“”\"]+")
_INNER = re.compile(r"[^\w@$!|+€*#]|_")
_STRETCHED = re.compile(r"(.)\1{2,}")
_GAP = r"[\s._\-~|/,'’*]+"
_SPACED = re.compile(rf"(?<![^\W_])(?:[a-z0-9@$!]{_GAP}){{2,}}[a-z0-9@$!](?![^\W_])")
_NUMBERED = re.compile(r"\d{1,2}(?=[a-z])")
_POSSESSIVE = re.compile(r"['’]s\b")


@dataclass(frozen=True, slots=True)
class Reading:
    """`words` and what was undone to read them; `chunks` are as they stand between spaces.

    `joined` words had their spaces removed, so a term may stand anywhere inside them. `text` is the
    whole text, with the first reading of each code that was undone (`code`, or "" for none).
    """

    words: tuple[str, ...]
    kind: str = PLAIN
    chunks: tuple[str, ...] = ()
    joined: bool = False
    text: str = ""
    code: str = ""

    @property
    def disguised(self) -> bool:
        return self.kind != PLAIN

    @property
    def line(self) -> str:
        """The words between single spaces, one before the first and one after the last."""
        return f" {' '.join(self.words)} "


def readings(text: str) -> Iterator[Reading]:
    """Every reading of the text; the plain one first."""
    yield from _surface(text, PLAIN)
    for hidden in decoded(text):
        yield from _surface(hidden.text, hidden.kind)


def spelled(text: str) -> str:
    """The plain reading as one line of words."""
    return " ".join(words_of(normalise(text)))


def words_of(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_POSSESSIVE.sub("", text)))


def _surface(text: str, kind: str) -> Iterator[Reading]:
    normal = normalise(text)
    chunks = tuple(filter(None, map(_trimmed, _CHUNK.findall(normal))))
    yield Reading(words_of(normal), kind, chunks, text=text, code=kind)
    known = {chunks}
    for one, stretch in ((_ONE_AS_I, r"\1"), (_ONE_AS_L, r"\1\1")):
        words = tuple(filter(None, (_unleet(chunk, one, stretch) for chunk in chunks)))
        if words not in known:
            known.add(words)
            yield Reading(words, _and(kind, LEET))
    if any(map(_NUMBERED.match, chunks)):
        yield Reading(tuple(map(_after_number, chunks)), _and(kind, LEET))
    spaced = tuple(word for found in _SPACED.finditer(normal) for word in _unspaced(found[0]))
    if spaced:
        yield Reading(spaced, _and(kind, SPACED), joined=True)


def _trimmed(chunk: str) -> str:
    """Without what stands around a word; a star in front is a letter, unless one closes it."""
    bare = chunk.strip(EDGES).rstrip("*").strip(EDGES)
    return bare.lstrip("*") if chunk.endswith("*") else bare


def _and(kind: str, more: str) -> str:
    return f"{kind}+{more}" if kind else more


def _unleet(chunk: str, one: dict[int, int], stretch: str) -> str:
    """`n4-k3d` and `nakeeeed` as the word they stand for; what holds no letter stays as it is."""
    if chunk.isalpha():
        return _STRETCHED.sub(stretch, chunk)
    if not any(mark.isalpha() for mark in chunk):
        return _LONE.get(chunk, chunk)
    return _STRETCHED.sub(stretch, _INNER.sub("", chunk).translate(_LEET).translate(one))


def _after_number(chunk: str) -> str:
    """`13y0` and `7th`: the number in front is one, what follows it may be leet."""
    found = _NUMBERED.match(chunk)
    number = found[0] if found else ""
    return number + _unleet(chunk[len(number) :], _ONE_AS_I, r"\1")


def _unspaced(text: str) -> Iterator[str]:
    """The letters without their gaps, as they stand and as leet."""
    letters = re.sub(_GAP, "", text)
    if sum(mark.isalpha() for mark in letters) * 2 >= len(letters):
        yield from dict.fromkeys((_unleet(letters, _ONE_AS_I, r"\1"), letters))
