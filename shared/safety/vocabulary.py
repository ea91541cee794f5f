"""Ordinary words, as hashes: what is one of them is no misspelling of anything. Pure."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.safety.tensors import read_tensors


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`hashes`: CRC-32 of each word, sorted, uint32[n]. One stranger in 40,000 passes for known."""

    hashes: NDArray[np.uint32]

    def plus(self, words: Iterable[str]) -> "Vocabulary":
        return Vocabulary(np.union1d(self.hashes, vocabulary_of(words).hashes))

    def but(self, hashes: Iterable[int]) -> "Vocabulary":
        """Without these: a listed word is never ordinary."""
        return Vocabulary(np.setdiff1d(self.hashes, np.fromiter(hashes, np.uint32)))

    def strangers(self, words: Iterable[str]) -> frozenset[str]:
        """The words that are in no dictionary, in singular or plural."""
        distinct = list(dict.fromkeys(words))
        known = self._holds(distinct)
        rest = [word for word, is_known in zip(distinct, known, strict=True) if not is_known]
        plurals = [word for word in rest if word.endswith("s") and len(word) > 3]
        held = self._holds([word[:-1] for word in plurals])
        return frozenset(rest) - {word for word, one in zip(plurals, held, strict=True) if one}

    def knows(self, word: str) -> bool:
        return not self.strangers((word,))

    def _holds(self, words: list[str]) -> list[bool]:
        if not words or not len(self.hashes):
            return [False] * len(words)
        asked = np.fromiter((hashed(word) for word in words), np.uint32, len(words))
        places = np.searchsorted(self.hashes, asked)
        places[places == len(self.hashes)] = 0
        held: list[bool] = (self.hashes[places] == asked).tolist()
        return held


def hashed(word: str) -> int:
    return zlib.crc32(word.encode(errors="replace"))


def vocabulary_of(words: Iterable[str]) -> Vocabulary:
    return Vocabulary(np.unique(np.fromiter(map(hashed, words), np.uint32)))


NO_WORDS = Vocabulary(np.zeros(0, np.uint32))


def read_vocabulary(folder: Path) -> Vocabulary:
    """The words that ship. Fault when the file is missing or is not the one its manifest names."""
    return Vocabulary(read_tensors(folder, "words")["hashes"])
