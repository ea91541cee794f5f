"""Fits the two readers and the mix that joins them. scikit-learn does the fitting; what ships are numbers."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.safety.features import BITS, Occurrences, pairs, pieces, words
from shared.safety.heads import Floats, Linear, Network, Vectors

STRENGTH = 30.0  # of the linear reader's fit (inverse of its ridge), by cross-validation
HIDDEN, DECAY, ROUNDS, PACE = 64, 0.03, 15, 2e-3
RAREST = 2  # texts that must hold an id before it may count


@dataclass(frozen=True, slots=True)
class Sample:
    """Texts with `labels` bool[texts, heads] (the first: any) and a `weight` each."""

    texts: tuple[str, ...]
    labels: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def only(self, chosen: NDArray[np.bool_]) -> "Sample":
        texts = tuple(text for text, keep in zip(self.texts, chosen, strict=True) if keep)
        return Sample(texts, self.labels[chosen], self.weights[chosen])


@dataclass(frozen=True, slots=True)
class Readers:
    linear: Linear
    network: Network
    vectors: Vectors

    def logits(self, texts: Sequence[str]) -> Floats:
        """float32[texts, 2 x heads]: the linear reader's, then the network's."""
        many, found = len(texts), words(texts)
        linear = self.linear.logits(pieces(texts), pairs(found), many)
        return np.hstack([linear, self.network.logits(self.vectors.means(found, many))])


def fit_readers(sample: Sample, vectors: Vectors, seed: int) -> Readers:
    return Readers(_fit_linear(sample, seed), _fit_network(sample, vectors, seed), vectors)


def _fit_linear(sample: Sample, seed: int) -> Linear:
    from sklearn.linear_model import LogisticRegression

    found = words(sample.texts)
    blocks = [_counted(each, len(sample.texts)) for each in (pieces(sample.texts), pairs(found))]
    rarity = _rarity(sum(blocks))
    matrix = sum(_weighed(block, rarity) for block in blocks)
    fits = []
    for labels in sample.labels.T:
        model = LogisticRegression(
            C=STRENGTH, class_weight="balanced", solver="liblinear", random_state=seed, tol=1e-3
        )
        fits.append(model.fit(matrix, labels, sample_weight=sample.weights))
    return Linear(
        rarity,
        _half(np.stack([fit.coef_[0] for fit in fits], axis=1)),
        _half(np.array([fit.intercept_[0] for fit in fits])),
    )


def _counted(found: Occurrences, many: int) -> Any:
    from scipy.sparse import csr_matrix

    ones = np.ones(len(found.ids), np.float32)
    return csr_matrix((ones, (found.rows, found.ids)), shape=(many, 2**BITS))


def _rarity(counted: Any) -> Floats:
    """log((1 + n) / (1 + texts with it)) + 1; 0 for what too few texts hold."""
    held = np.asarray((counted > 0).sum(axis=0)).ravel()
    weights = np.log((1 + counted.shape[0]) / (1 + held)) + 1
    return _half(np.where(held >= RAREST, weights, 0))


def _weighed(counted: Any, rarity: Floats) -> Any:
    """Each row's counts by rarity; its length as `Linear` takes it, occurrence by occurrence."""
    from scipy.sparse import diags

    lengths = np.sqrt(np.asarray(counted @ (rarity * rarity)).ravel())
    return diags(1 / np.maximum(lengths, 1e-6)) @ counted @ diags(rarity)


def _fit_network(sample: Sample, vectors: Vectors, seed: int) -> Network:
    from sklearn.neural_network import MLPClassifier

    means = vectors.means(words(sample.texts), len(sample.texts))
    model = MLPClassifier(
        (HIDDEN,), alpha=DECAY, max_iter=ROUNDS, learning_rate_init=PACE, random_state=seed
    )
    with warnings.catch_warnings():  # it stops after ROUNDS on purpose
        warnings.simplefilter("ignore")
        model.fit(means, sample.labels.astype(int), sample_weight=sample.weights)
    (inner, outer), (inner_bias, outer_bias) = model.coefs_, model.intercepts_
    return Network(*(_half(each) for each in (inner, inner_bias, outer, outer_bias)))


def fit_mix(
    logits: Floats, labels: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """(mix, bias) by which logits of texts that the readers had not seen best tell each label."""
    from sklearn.linear_model import LogisticRegression

    fits = [
        LogisticRegression(C=1.0, max_iter=500).fit(logits, each, sample_weight=weights)
        for each in labels.T
    ]
    mix = np.stack([fit.coef_[0] for fit in fits], axis=1)
    return mix.astype(np.float32), np.array([fit.intercept_[0] for fit in fits], np.float32)


def _half(values: NDArray[Any]) -> Floats:
    """As it will be read back from its 16 bits, so that training and service agree."""
    return np.asarray(values, np.float16).astype(np.float32)
