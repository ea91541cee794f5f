"""RenderSpec: the deterministic recipe of one job. The same spec gives the same pixels."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WeightedText:
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Variation:
    """Start noise leans from the parent's towards a new seed by `strength` in 0..1 (slerp)."""

    seed: int
    strength: float


@dataclass(frozen=True, slots=True)
class Source:
    """A picture of an earlier job that this one starts from (upscale: the tile itself)."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """Sizes are the checkpoint's native pixels; a delivered picture is `scale` times larger.

    Image i of the job starts from seed `(seed + i) mod 2**32` with its own generator.
    """

    checkpoint: str
    texts: tuple[WeightedText, ...]
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    sampler: str
    seed: int
    images: int
    scale: int
    pixel_art: bool = False
    variation: Variation | None = None
    source: Source | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> "RenderSpec":
        variation, source = raw.get("variation"), raw.get("source")
        return RenderSpec(
            **{
                **raw,
                "texts": tuple(WeightedText(**text) for text in raw["texts"]),
                "variation": Variation(**variation) if variation else None,
                "source": Source(**source) if source else None,
            }
        )

    def sha256(self) -> str:
        """Hash of the canonical JSON: a snapshot of another spec is refused by it."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def image_seed(self, index: int) -> int:
        return (self.seed + index) % 2**32
