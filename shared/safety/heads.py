"""The trained heads: a score for each category of each window of a text, in one product for all. Pure.

Two readers of a text are averaged, with weights for each category (farm/safety/training fits all of it):
a logistic regression over hashed pieces and words (linear), and a small network over the mean of word
vectors that were distilled from a sentence encoder (meaning). A score of BLOCK is where the calibration
prompts spend their budget of false positives, and REVIEW a wider one: the policy's bands stand there.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault
from shared.safety.features import BITS, Occurrences, pairs, pieces, total, words
from shared.safety.tensors import Tensors, read_tensors

NAME, VECTORS = "heads", "vectors"
ANY = "any"  # a head of its own: unsafe, whatever the category
REVIEW, BLOCK = 0.6, 0.75
Floats = NDArray[np.float32]
LIMIT = 30.0  # of a logit


@dataclass(frozen=True, slots=True)
class Linear:
    """`rarity` float32[2^BITS] weighs an id, `coefficients` float32[2^BITS, heads], `bias` float32[heads]."""

    rarity: Floats
    coefficients: Floats
    bias: Floats

    def logits(self, letters: Occurrences, listed: Occurrences, many: int) -> Floats:
        """float32[texts, heads]. Pieces and words count the same, however many there are."""
        both = self._of(letters, many) + self._of(listed, many)
        return np.asarray(both + self.bias, np.float32)

    def _of(self, found: Occurrences, many: int) -> Floats:
        weights = self.rarity[found.ids]
        length = np.sqrt(total(weights * weights, found.rows, many))
        products = self.coefficients[found.ids] * weights[:, None]
        sums = total(products, found.rows, many)
        return np.asarray(sums / np.maximum(length, 1e-6)[:, None], np.float32)


@dataclass(frozen=True, slots=True)
class Vectors:
    """`keys` the sorted CRC-32 of each word, `table` int8[words, dims], `scale` float32[words] undoes it."""

    keys: NDArray[np.int64]
    table: NDArray[np.int8]
    scale: Floats

    def means(self, found: Occurrences, many: int) -> Floats:
        """float32[texts, dims] of length 1; zeros for a text of unknown words."""
        places = np.minimum(np.searchsorted(self.keys, found.ids), len(self.keys) - 1)
        known = self.keys[places] == found.ids
        chosen = places[known]
        sums = total(self.table[chosen] * self.scale[chosen, None], found.rows[known], many)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return np.asarray(sums / np.maximum(lengths, 1e-6), np.float32)


@dataclass(frozen=True, slots=True)
class Network:
    """One hidden layer: `inner` float32[dims, hidden], `outer` float32[hidden, heads], and their biases."""

    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    def logits(self, means: Floats) -> Floats:
        hidden = np.maximum(means @ self.inner + self.inner_bias, 0)
        return np.asarray(hidden @ self.outer + self.outer_bias, np.float32)


@dataclass(frozen=True, slots=True)
class Heads:
    """`categories` has ANY first. `mix` float32[2 x heads, heads] and `mix_bias` join the two readers."""

    categories: tuple[str, ...]
    linear: Linear
    vectors: Vectors
    network: Network
    mix: Floats
    mix_bias: Floats
    version: str

    @classmethod
    def load(cls, folder: Path) -> "Heads":
        """Fault when a file is missing, is not the one its manifest names, or holds what is no number."""
        tensors = {**read_tensors(folder, VECTORS), **read_tensors(folder, NAME)}
        try:
            _require_numbers(tensors)
            return heads_of(tensors)
        except (KeyError, ValueError, IndexError) as error:
            sentence = f"The heads in {folder} cannot be used: {type(error).__name__}: {error}."
            raise Fault("heads_unusable", sentence) from error

    def scores(self, windows: Sequence[str]) -> list[dict[str, float]]:
        """0..1 for each category of each window; Fault when one is no number."""
        if not windows:
            return []
        values = self.values(windows)
        if not np.isfinite(values).all():
            raise Fault("heads_not_finite", "The trained heads gave no number.")
        names = self.categories[1:]
        return [dict(zip(names, row, strict=True)) for row in _spread(values).tolist()]

    def values(self, windows: Sequence[str]) -> Floats:
        """float32[windows, heads] in 0..1, the first of them ANY."""
        many, found = len(windows), words(windows)
        logits = np.hstack(
            [
                self.linear.logits(pieces(windows), pairs(found), many),
                self.network.logits(self.vectors.means(found, many)),
            ]
        )
        mixed = np.clip(logits @ self.mix + self.mix_bias, -LIMIT, LIMIT)
        return np.asarray(1 / (1 + np.exp(-mixed)), np.float32)


def _spread(values: Floats) -> Floats:
    """ANY speaks through the likeliest category, so that a verdict always names one."""
    own = values[:, 1:].copy()
    likeliest = own.argmax(axis=1)
    every = np.arange(len(own))
    own[every, likeliest] = np.maximum(own[every, likeliest], values[:, 0])
    return own


def heads_of(tensors: Tensors) -> Heads:
    """KeyError or ValueError when a part is missing or parts do not fit."""
    names = tuple(bytes(tensors["categories"]).decode().split("\n"))
    mix, mix_bias = _floats(tensors, "mix", "mix_bias")
    heads = Heads(
        names,
        Linear(*_floats(tensors, "rarity", "coefficients", "bias")),
        vectors_of(tensors),
        Network(*_floats(tensors, "inner", "inner_bias", "outer", "outer_bias")),
        mix,
        mix_bias,
        f"heads-{_digest(tensors)}",
    )
    _require_fit(heads)
    return heads


def vectors_of(tensors: Tensors) -> Vectors:
    keys = np.asarray(tensors["keys"], np.int64)
    return Vectors(keys, tensors["vectors"], *_floats(tensors, "scale"))


def _digest(tensors: Tensors) -> str:
    held = b"".join(tensors[name].tobytes() for name in sorted(tensors))
    return hashlib.sha256(held).hexdigest()[:12]


def _require_fit(heads: Heads) -> None:
    many = len(heads.categories)
    fit = (
        heads.categories[0] == ANY
        and heads.linear.coefficients.shape == (2**BITS, many)
        and heads.linear.rarity.shape == (2**BITS,)
        and len(heads.vectors.keys) == len(heads.vectors.table) == len(heads.vectors.scale)
        and heads.network.outer.shape[1] == many
        and heads.mix.shape == (2 * many, many)
    )
    if not fit:
        raise ValueError("its parts do not fit together")


def _require_numbers(tensors: Tensors) -> None:
    strange = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if strange:
        raise ValueError(f"no numbers in {', '.join(sorted(strange))}")


def _floats(tensors: Tensors, *names: str) -> tuple[Floats, ...]:
    return tuple(np.asarray(tensors[name], np.float32) for name in names)
