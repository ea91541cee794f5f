"""From a classifier's scores to what a picture is blocked for: labels, categories, thresholds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from farm.safety.detectors.contract import Sight
from shared.safety.verdict import Decision

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Threshold:
    """0 < strict <= block <= 1. `strict` is for prompts from the grey zone."""

    block: float
    strict: float


@dataclass(frozen=True, slots=True)
class Grading:
    """`classes` in the order of the scores; `labels` says of each which categories it stands for.

    `exclusive` classes share one probability, so those of a category are added; others are compared.
    """

    name: str
    classes: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, Threshold]
    exclusive: bool

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order in which they are named: the first of equals is what a picture is blocked for."""
        return tuple(dict.fromkeys(one for given in self.labels.values() for one in given))

    def by_category(self, scores: Scores) -> Scores:
        """From [view, class] to [view, category], both in 0..1."""
        return np.stack([self._column(category, scores) for category in self.categories], axis=1)

    def sights(self, scores: Scores, *, strict: bool) -> list[Sight]:
        """`scores` are [picture, category]."""
        return [self._sight(list(map(float, row)), strict) for row in scores]

    def _column(self, category: str, scores: Scores) -> Scores:
        own = [at for at, one in enumerate(self.classes) if category in self.labels[one]]
        column: Any = scores[:, own]
        return column.sum(axis=1).clip(0.0, 1.0) if self.exclusive else column.max(axis=1)

    def _sight(self, row: Sequence[float], strict: bool) -> Sight:
        scored = list(zip(self.categories, row, strict=True))
        over = [(name, score) for name, score in scored if score >= self._limit(name, strict)]
        if not over:
            return Sight(score=max(row))
        category, score = max(over, key=lambda pair: pair[1])
        doubt = "" if score >= self.thresholds[category].block else ":strict"
        return Sight(Decision.BLOCK, category, score, f"{self.name}:{category}{doubt}")

    def _limit(self, category: str, strict: bool) -> float:
        threshold = self.thresholds[category]
        return threshold.strict if strict else threshold.block
