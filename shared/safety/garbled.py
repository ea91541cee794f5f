"""Texts that no person types: token soups, glued word pieces, nonsense that stands for a word. Pure but for
the reader.

A character model (4-grams, interpolated Kneser-Ney) says how surprising each word's spelling is, a
dictionary how rare the word, a set of pairs whether two words follow each other in English. A small network
weighs these over short and long windows; the highest window counts (docs/safety.md has its figures).
"""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault
from shared.safety.tensors import Tensors, read_tensors
from shared.safety.vocabulary import hashed

Floats = NDArray[np.float32]
ORDER = 4
SYMBOLS = 30  # space, a to z, any digit, any other ASCII sign, any other letter
DIGIT, SIGN, OTHER = 27, 28, 29
BITS = 16.0  # steps of one bit that the table counts surprise in
SIZES = (24, 8)  # tokens of a window; each begins half a window after the last
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]+|_+")
_USUAL = frozenset(",.'\"-:;()!?&/’“”–—`%$+#*|[]=")
FIRST = np.full(128, SIGN, np.int64)
FIRST[32] = FIRST[9] = FIRST[10] = 0
FIRST[97:123] = np.arange(1, 27)
FIRST[48:58] = DIGIT
FUNCTION_WORD, FOREIGN_FUNCTION, STRANGER = 0, 1, 255  # rarities
# One odd word is a name more often than a trick: it is looked at, and refused only beside a body.
ODD_WORDS, ODD_SHARE, AT_MOST, REST_AT_MOST = 2, 0.5, 0.74, 0.6
_BODY = """
woman women girl girls man men guy lady wife husband couple body skin legs thighs chest bed lying kneeling
spread bending posing her she his touching kissing shower bathtub
"""
BODY = frozenset(_BODY.split())
# What a person may add to any prompt: flags, colours, web addresses, codes that were read, sums.
# Possessive, and anchored to where a word begins: whoever types wants to keep us busy.
_ADDED = re.compile(
    r"--[a-z]+(?: [^\s,-][^\s,]*)?|#[0-9a-f]{3,8}\b|https?://\S+|(?<!\S)[^\s@]++@\S+\.\w+"
    r"|(?<![a-z0-9+/])[a-z0-9+/]{8,}+=+|(?<!\S)[^\s^]*[a-z)]\^\d\S*"
    r"|(?<!\S)[a-z]{0,2} ?= ?[a-z0-9]{1,6}\b"
)
# Numbers of lenses, films, models and goods: where they are more than half of a text, they are the text.
_NUMBERS = re.compile(
    r"(?<!\S)[a-z(]{0,5}[-/.:#]?\d++(?:[a-z./:x-]{1,3}\d++)*+[a-z]{0,4}[-)]?[a-z]?[),.:]*(?!\S)"
)
MOST_NUMBERS = 1 / 2
_INITIALS = re.compile(r"\b(?:[a-z]\. ?){2,}|\b[a-z]\. (?=[a-z]{3})")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_QUOTES = str.maketrans("“”„’‘–—…", '"""\'\'--.')
_LETTERS = str.maketrans("łŁøØđĐıßæÆœŒ", "lLoOdDisaAoO")
_STRETCHED = re.compile(r"(.)\1{2,}")
_ABROAD = re.compile(r"(?<![^\W\d_])[^\W\d_]*[^\x00-\x7f\W\d_]+[^\W\d_]*")


@dataclass(frozen=True, slots=True)
class Garbled:
    """`surprise` uint8[SYMBOLS**ORDER] in 1/BITS bit; `words` uint32[n] sorted with their `rarity` uint8[n];
    `pairs` bits of a hash set; `layers` (weights, bias) of the network; `knots` logits and their scores.
    """

    surprise: NDArray[np.uint8]
    words: NDArray[np.uint32]
    rarity: NDArray[np.uint8]
    pairs: NDArray[np.uint8]
    layers: tuple[tuple[Floats, Floats], ...]
    knots: tuple[Floats, Floats]

    def score(self, text: str) -> float:
        """0 for an ordinary text, 1 for garbage; `text` as `readable` gives it."""
        score = self._score(text)
        if score <= AT_MOST:
            return score
        odd = self._odd_words(text)
        if odd and self._score(_without(text, odd)) <= REST_AT_MOST and not _beside_a_body(text):
            return AT_MOST
        return score

    def _score(self, text: str) -> float:
        features = self.features(text)
        return float(np.interp(self._logits(features).max(), *self.knots)) if len(features) else 0.0

    def _odd_words(self, text: str) -> list[tuple[int, int]]:
        """Where the one or two words stand that no dictionary has; none where there are more."""
        tokens = tokens_of(text)
        words = [text[start:end] for start, end in tokens]
        letters = np.array([word.isalpha() and len(word) > 2 for word in words])
        odd = np.flatnonzero(letters & (self._rarity(words, letters) == STRANGER))
        few = len(odd) <= ODD_WORDS and len(odd) <= ODD_SHARE * len(words)
        return [tokens[place] for place in odd] if few else []

    def features(self, text: str) -> Floats:
        """float32[windows, features] of every window of the text."""
        tokens = tokens_of(text)
        if not tokens:
            return np.zeros((0, 0), np.float32)
        told = self._told(text, tokens)
        return np.concatenate([_windowed(told, size) for size in SIZES])

    def _logits(self, features: Floats) -> Floats:
        values = features
        for weights, bias in self.layers[:-1]:
            values = np.maximum(values @ weights + bias, 0)
        weights, bias = self.layers[-1]
        return np.asarray(values @ weights + bias, np.float32)[:, 0]

    def _told(self, text: str, tokens: list[tuple[int, int]]) -> Floats:
        """float32[tokens, 13]: what each token tells by itself and beside its neighbour."""
        starts, ends = np.array(tokens).T
        spent = np.concatenate([[0.0], np.cumsum(self._surprise(text))])
        words = [text[start:end] for start, end in tokens]
        letters = np.array([word[0].isalpha() for word in words])
        rarity = self._rarity(words, letters)
        lengths = ends - starts
        stranger = letters & (rarity == STRANGER) & (lengths > 2)
        seen, possible = self._pairs_seen(text, tokens, words)
        bits = (spent[ends] - spent[starts]) / lengths
        columns = (
            bits / 4,
            np.where(letters & (lengths > 3), bits, 0) / 4,
            stranger,
            stranger * np.minimum(lengths, 12) / 12,
            np.where(letters, rarity, 0) / 255,
            seen,
            possible,
            letters & (rarity == FUNCTION_WORD),
            letters & (rarity == FOREIGN_FUNCTION),
            [word == "," for word in words],
            [not letter and not _USUAL.issuperset(word) for word, letter in zip(words, letters, strict=True)],
            [word[0].isdigit() for word in words],
            np.minimum(lengths, 20) / 10,
        )  # fmt: skip
        return np.array(columns, np.float32).T

    def _surprise(self, text: str) -> Floats:
        """Bits that each character costs after the three before it."""
        symbols = symbols_of(" " * (ORDER - 1) + text)
        places = np.zeros(len(text), np.int64)
        for offset in range(ORDER):
            places = places * SYMBOLS + symbols[offset : offset + len(text)]
        return self.surprise[places].astype(np.float32) / np.float32(BITS)

    def _rarity(self, words: list[str], letters: NDArray[np.bool_]) -> NDArray[np.int64]:
        asked = np.fromiter(map(hashed, words), np.uint32, len(words))
        places = np.minimum(np.searchsorted(self.words, asked), len(self.words) - 1)
        known = self.words[places] == asked
        return np.where(letters & known, self.rarity[places].astype(np.int64), STRANGER)

    def _pairs_seen(
        self, text: str, tokens: list[tuple[int, int]], words: list[str]
    ) -> tuple[Floats, Floats]:
        seen, possible = np.zeros(len(words), np.float32), np.zeros(len(words), np.float32)
        for index, ((_, end), (start, _)) in enumerate(pairwise(tokens)):
            if text[end:start] == " " and words[index].isalpha() and words[index + 1].isalpha():
                possible[index + 1] = 1
                place = pair_place(words[index], words[index + 1], len(self.pairs) * 8)
                seen[index + 1] = (int(self.pairs[place >> 3]) >> (place & 7)) & 1
        return seen, possible


def open_garbled(folder: Path) -> Garbled:
    """Fault when its coefficients are missing, changed, or not of the shapes that they must have."""
    words, model = read_tensors(folder, "words"), read_tensors(folder, "garbled")
    try:
        garbled = _garbled(words, model)
        if not np.isfinite(garbled.score("a cat on a mat, xqzt vrrp")):
            raise ValueError("its answer is no number")
    except (KeyError, ValueError, IndexError, TypeError) as error:
        sentence = (
            f"The weights {folder / 'garbled'} cannot be used: {type(error).__name__}: {error}."
        )
        raise Fault("weights_unreadable", sentence) from error
    return garbled


def _garbled(words: Tensors, model: Tensors) -> Garbled:
    if len(model["surprise"]) != SYMBOLS**ORDER or len(words["hashes"]) != len(words["rarity"]):
        raise ValueError("a table has the wrong size")
    count = sum(name.startswith("weights") for name in model)
    return Garbled(
        surprise=model["surprise"],
        words=words["hashes"],
        rarity=words["rarity"],
        pairs=model["pairs"],
        layers=tuple((model[f"weights{n}"], model[f"bias{n}"]) for n in range(count)),
        knots=(model["logits"], model["scores"]),
    )


def readable(text: str) -> str:
    """The text in lower case, without accents, other scripts and what people add to any prompt."""
    plain = text if text.isascii() else _without_marks(text)
    plain = " ".join(_INITIALS.sub(" ", plain.casefold()).split())
    plain = _ADDED.sub(" ", plain)
    if len(_NUMBERS.findall(plain)) <= MOST_NUMBERS * len(plain.split()):
        plain = _NUMBERS.sub(" ", plain)
    return " ".join(_STRETCHED.sub(r"\1", plain).split())


def _without_marks(text: str) -> str:
    split = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    kept = "".join(mark for mark in split if unicodedata.category(mark) not in ("Mn", "Me", "Cf"))
    return _NOT_ASCII.sub(" ", _ABROAD.sub(" ", kept.translate(_QUOTES)))


def tokens_of(text: str) -> list[tuple[int, int]]:
    """(start, end) of each run of letters, digits or signs."""
    return [found.span() for found in _TOKEN.finditer(text)]


def symbols_of(text: str) -> NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le", errors="replace"), np.uint32)
    return np.where(points < 128, FIRST[np.minimum(points, 127)], OTHER)


def pair_place(first: str, second: str, places: int) -> int:
    return hashed(f"{first} {second}") % places


def starts_of(count: int, size: int) -> NDArray[np.int64]:
    """Where windows of `size` begin in so many tokens; the last one ends with them."""
    last = max(0, count - size)
    return np.array([*range(0, last, size // 2), last])


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return " ".join(text.split())


def _beside_a_body(text: str) -> bool:
    return not BODY.isdisjoint(text.split())


def _windowed(told: Floats, size: int) -> Floats:
    """float32[windows, features]: means, extremes and spread of what the tokens of each window tell."""
    starts = starts_of(len(told), size)
    width = min(size, len(told))
    chosen = told[starts[:, None] + np.arange(width)]
    means = chosen.mean(axis=1)
    top = np.sort(chosen[:, :, 1], axis=1)[:, ::-1]
    second = top[:, min(1, width - 1)]
    share = means[:, 5] / (means[:, 6] + 0.05)
    context = np.full(len(starts), width / size), np.full(len(starts), size == SIZES[0])
    extremes = (top[:, 0], second, chosen[:, :, 0].std(axis=1), chosen[:, :, 3].max(axis=1), share)
    return np.concatenate([means, np.array([*extremes, *context]).T], axis=1).astype(np.float32)
