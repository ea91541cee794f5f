"""How times are told: by rank, so that the p99 of a few is the largest of them."""

from collections.abc import Sequence

PARTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def quantile(seconds: Sequence[float], part: float) -> float:
    order = sorted(seconds)
    return order[round(part * (len(order) - 1))]


def told(seconds: Sequence[float]) -> str:
    return ", ".join(f"{name} {quantile(seconds, part):.2f}" for name, part in PARTS.items())
