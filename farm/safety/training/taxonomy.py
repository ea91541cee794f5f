"""How the categories of collected prompts map to ours (categories.toml)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.safety.verdict import POLICED

FILE = Path(__file__).parent / "categories.toml"


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """`names` theirs -> ours; `ordinary` and `edgy` are the sources that thresholds are set on."""

    names: Mapping[str, str]
    unnamed: frozenset[str]
    left_out: frozenset[str]
    ordinary: frozenset[str]
    edgy: frozenset[str]
    weights: Mapping[str, float]

    @property
    def categories(self) -> tuple[str, ...]:
        return POLICED

    def ours(self, theirs: str) -> frozenset[str]:
        return frozenset(self.names[part] for part in _parts(theirs) if part in self.names)

    def leaves_out(self, theirs: str) -> bool:
        parts = _parts(theirs)
        return bool(parts) and all(part in self.left_out for part in parts)

    def unknown(self, theirs: str) -> str | None:
        """The first name that we do not know; an empty one is unknown too."""
        known = self.names.keys() | self.unnamed | self.left_out
        return next((part for part in _parts(theirs) or [""] if part not in known), None)


def read_taxonomy(path: Path = FILE) -> Taxonomy:
    raw = tomllib.loads(path.read_text())
    return Taxonomy(
        {theirs: ours for ours in POLICED for theirs in raw[ours]},
        frozenset(raw["unnamed"]),
        frozenset(raw["left_out"]),
        frozenset(raw["calibration"]["ordinary"]),
        frozenset(raw["calibration"]["edgy"]),
        raw["weights"],
    )


def _parts(theirs: str) -> list[str]:
    return [part.strip() for part in theirs.split(",") if part.strip()]
