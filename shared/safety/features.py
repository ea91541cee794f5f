"""What the trained heads see of a text: hashed pieces of words, words and pairs. Pure, no loop over letters."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 17
LENGTHS = (3, 4, 5)  # letters of a piece; a word stands between two spaces
END = 10  # newline: the last byte of a text
_SPACE = 32
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing
_BASE = np.uint64(1_000_003)
_SHIFT = np.uint64(64 - BITS)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """One entry for each thing seen: `ids` in 0..2^BITS (words: 0..2^32), `rows` its text, ascending."""

    ids: NDArray[np.int64]
    rows: NDArray[np.int64]


def pieces(texts: Sequence[str]) -> Occurrences:
    """Runs of 3 to 5 letters inside each word, its edges among them."""
    line = "".join(f" {text} \n" for text in texts).encode(errors="replace")
    marks = np.frombuffer(line, np.uint8)
    texts_before = np.cumsum(marks == END) - (marks == END)
    breaks = np.concatenate([[0], np.cumsum((marks == _SPACE) | (marks == END))])
    found = [_runs(marks, breaks, length) for length in LENGTHS]
    starts = np.concatenate([start for start, _ in found])
    ids = np.concatenate([codes for _, codes in found])
    rows = texts_before[starts]
    order = np.argsort(rows, kind="stable")
    return Occurrences(ids[order], rows[order])


def _runs(
    marks: NDArray[np.uint8], breaks: NDArray[np.int64], length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(start, id) of each run whose inner marks are no breaks and whose edges are no line's end."""
    if len(marks) < length:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    many = len(marks) - length + 1
    inner = breaks[length - 1 : length - 1 + many] == breaks[1 : 1 + many]
    whole = inner & (marks[:many] != END) & (marks[length - 1 :] != END)
    starts = np.flatnonzero(whole)
    codes = np.full(len(starts), length, np.uint64)
    for offset in range(length):
        codes = codes * _BASE + marks[starts + offset]
    return starts, _folded(codes)


def words(texts: Sequence[str]) -> Occurrences:
    """The CRC-32 of each word, in order: what the vectors are found by."""
    lists = [text.split() for text in texts]
    counts = [len(each) for each in lists]
    every = (zlib.crc32(word.encode(errors="replace")) for each in lists for word in each)
    return Occurrences(
        np.fromiter(every, np.int64, sum(counts)), np.repeat(np.arange(len(texts)), counts)
    )


def pairs(found: Occurrences) -> Occurrences:
    """Of `words`: the folded id of each word and of each two neighbours."""
    hashes, rows = found.ids.astype(np.uint64), found.rows
    paired = np.flatnonzero(rows[1:] == rows[:-1])
    joined = hashes[paired] * _BASE + hashes[paired + 1] + np.uint64(1)
    ids = np.concatenate([_folded(hashes), _folded(joined)])
    both = np.concatenate([rows, rows[paired]])
    order = np.argsort(both, kind="stable")
    return Occurrences(ids[order], both[order])


def _folded(codes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((codes * _MULTIPLIER) >> _SHIFT).astype(np.int64)


def total(values: NDArray[np.float32], rows: NDArray[np.int64], many: int) -> NDArray[np.float32]:
    """Sums by row, float32[many, ...]; `rows` ascend."""
    sums = np.zeros((many, *values.shape[1:]), np.float32)
    if len(rows):
        starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
        sums[rows[starts]] = np.add.reduceat(values, starts, axis=0)
    return sums
