"""The tables of the garbled-text model: how surprising a letter, how rare a word, which words were neighbours.
Pure.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.safety.garbled import (
    BITS,
    FOREIGN_FUNCTION,
    FUNCTION_WORD,
    ORDER,
    STRANGER,
    SYMBOLS,
    pair_place,
    symbols_of,
)
from shared.safety.vocabulary import hashed

DISCOUNT = 0.75
LISTED, FOREIGN = 0.2, 0.5  # weight of a listed word and of another language beside a prompt
ABROAD = -1  # the rank of other languages' function words
PAIR_PLACES = 1 << 21
_LETTERS = re.compile(r"[^\W\d_]+")


def surprise_of(
    words: Iterable[str], prompts: Iterable[str], texts: Iterable[str]
) -> NDArray[np.uint8]:
    counts = np.zeros(SYMBOLS**ORDER)
    for weight, several in ((1.0, prompts), (FOREIGN, texts), (LISTED, words)):
        places = np.concatenate([_places(text) for text in several])
        counts += weight * np.bincount(places, minlength=len(counts))
    return np.clip(np.round(smoothed(counts) * BITS), 0, 255).astype(np.uint8)


def _places(text: str) -> NDArray[np.int64]:
    symbols = symbols_of(" " * (ORDER - 1) + text + " ")
    places = np.zeros(len(symbols) - ORDER + 1, np.int64)
    for offset in range(ORDER):
        places = places * SYMBOLS + symbols[offset : offset + len(places)]
    return places


def smoothed(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits of each n-gram: absolute discounts, lower orders by distinct predecessors (Kneser and Ney 1995)."""
    tables = [counts.reshape(-1, SYMBOLS)]
    while len(tables) < ORDER:
        preceded = (tables[-1].reshape(SYMBOLS, -1) > 0).sum(axis=0)
        tables.append(preceded.reshape(-1, SYMBOLS).astype(float))
    chances = np.full((1, SYMBOLS), 1 / SYMBOLS)
    for table in reversed(tables):
        lower = np.tile(chances, (len(table) // len(chances), 1))
        sums, kinds = table.sum(axis=1, keepdims=True), (table > 0).sum(axis=1, keepdims=True)
        kept = np.maximum(table - DISCOUNT, 0) + DISCOUNT * kinds * lower
        chances = np.where(sums > 0, kept / np.maximum(sums, 1e-9), lower)
        chances /= chances.sum(axis=1, keepdims=True)
    return -np.log2(chances).ravel()


def rarities_of(
    words: Mapping[str, int], prompts: Sequence[str]
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Sorted hashes, and for each 0 or 1 (function words) to 225: its rank, on a scale of logarithms."""
    counts = Counter(word for prompt in prompts for word in set(_LETTERS.findall(prompt)))
    told: dict[int, int] = {}
    for word, rank in words.items():
        seen = counts[word]
        nearer = min(rank, 20_000 // seen) if seen > 1 else rank
        common = FOREIGN_FUNCTION if rank == ABROAD else FUNCTION_WORD
        rarity = common if rank <= 0 else min(225, max(2, round(20 * np.log2(1 + nearer / 50))))
        told[hashed(word)] = min(told.get(hashed(word), STRANGER), rarity)
    hashes = sorted(told)
    return np.array(hashes, np.uint32), np.array([told[key] for key in hashes], np.uint8)


def pairs_of(pairs: Iterable[tuple[str, str]], texts: Iterable[str]) -> NDArray[np.uint8]:
    bits = np.zeros(PAIR_PLACES, np.uint8)
    for first, second in _all_pairs(pairs, texts):
        bits[pair_place(first, second, PAIR_PLACES)] = 1
    return np.packbits(bits, bitorder="little")


def _all_pairs(pairs: Iterable[tuple[str, str]], texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield from pairs
    for text in texts:
        words = _LETTERS.findall(text)
        yield from pairwise(words)
