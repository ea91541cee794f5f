"""Who should have had how much, and how near to it everybody came. Pure."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def max_min(
    whole: float, asked: Mapping[Key, float], weights: Mapping[Key, float]
) -> dict[Key, float]:
    """Weighted max-min fair shares by water filling: nobody gets more than it asked for, and what one
    does not need the others share by weight."""
    shares: dict[Key, float] = {}
    left, weight = whole, sum(weights[key] for key in asked)
    for key in sorted(asked, key=lambda one: asked[one] / weights[one]):
        shares[key] = min(asked[key], left * weights[key] / weight)
        left -= shares[key]
        weight -= weights[key]
    return shares


def jain(ratios: Iterable[float]) -> float:
    """1 when all are equal, 1/n when one has everything, 1 of nothing."""
    values = list(ratios)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
