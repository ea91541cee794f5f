"""Shares with the interval they are known to. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

Z = 1.959964  # two-sided 95%


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with Wilson's 95% interval (Wilson 1927), which holds for small counts too."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.value
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        reach = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return max(0.0, middle - reach), min(1.0, middle + reach)

    @property
    def told(self) -> str:
        low, high = self.interval
        return f"{self.hits} of {self.total} ({low:.1%} to {high:.1%})"


def share(hits: Iterable[object]) -> Share:
    each = [bool(hit) for hit in hits]
    return Share(sum(each), len(each))
