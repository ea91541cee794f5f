"""Checkpoints by name: family, folder, sizes, defaults and cost, read from `catalog.toml`."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from shared.config import ROOT
from shared.errors import Fault, Refusal

FAMILIES = ("sd15",)
SAMPLERS = ("dpm++2m-karras", "dpm++2m", "ddim", "euler", "euler-a", "heun", "unipc", "lcm")
_WORD = re.compile(r"[^\W\d_]+|\d+")

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Sizes are (width, height) in native pixels. Empty `sizes` or `known_words` means any.

    `step_ms` is one forward of one picture of native² pixels; `fixed_ms` is a picture's rest.
    """

    name: str
    title: str
    family: str
    folder: Path
    native: int
    multiple: int
    max_area: int
    scale: int
    pixel_art: bool
    steps: int
    guidance: float
    sampler: str
    samplers: tuple[str, ...]
    step_ms: float
    fixed_ms: float
    known_words: frozenset[str]
    examples: tuple[str, ...]
    sizes: tuple[Size, ...] = ()
    detectors: tuple[str, ...] = ()
    min_steps: int = 1


@dataclass(frozen=True, slots=True)
class Catalog:
    checkpoints: dict[str, Checkpoint]
    default: str

    def get(self, name: str) -> Checkpoint:
        found = self.checkpoints.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> Refusal:
        nearest = get_close_matches(name, self.checkpoints, n=1, cutoff=0.0)[0]
        sentence = f"There is no checkpoint “{name[:40]}” here. Did you mean “{nearest}”?"
        return Refusal("unknown_checkpoint", sentence, field="checkpoint")


def read_catalog(path: Path) -> Catalog:
    """Reads `catalog.toml`; a missing, unknown or impossible field is a Fault that names it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        checkpoints = {name: _checkpoint(name, row) for name, row in raw["checkpoints"].items()}
        default = str(raw["default"])
        _require(default in checkpoints, f"default names {default!r}, which is not in it")
        return Catalog(checkpoints, default)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The catalog {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("catalog_unreadable", sentence) from error


def unknown_words(text: str, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Words the checkpoint never saw, in order and once each; none if it knows all words."""
    if not checkpoint.known_words:
        return ()
    words = dict.fromkeys(_WORD.findall(text.lower()))
    return tuple(word for word in words if word not in checkpoint.known_words)


def _checkpoint(name: str, row: Mapping[str, Any]) -> Checkpoint:
    stray = set(row) - FIELDS
    _require(not stray, f"{name} has unknown fields: {', '.join(sorted(stray))}")
    checkpoint = Checkpoint(
        name=name,
        title=str(row.get("title", name)),
        family=str(row["family"]),
        folder=ROOT / str(row["folder"]),
        native=int(row["native"]),
        multiple=int(row["multiple"]),
        max_area=int(row["max_area"]),
        scale=int(row.get("scale", 1)),
        pixel_art=bool(row.get("pixel_art", False)),
        steps=int(row["steps"]),
        guidance=float(row["guidance"]),
        sampler=str(row["sampler"]),
        samplers=_names(row, "samplers") or SAMPLERS,
        step_ms=float(row["step_ms"]),
        fixed_ms=float(row["fixed_ms"]),
        known_words=_words(row.get("words")),
        examples=_names(row, "examples"),
        sizes=tuple(_size(size) for size in _names(row, "sizes")),
        detectors=_names(row, "detectors"),
        min_steps=int(row.get("min_steps", 1)),
    )
    _check(checkpoint)
    return checkpoint


# What a row may hold: the file says `words` (a path) where the Checkpoint holds the words.
FIELDS = (frozenset(Checkpoint.__dataclass_fields__) - {"name", "known_words"}) | {"words"}


def _check(checkpoint: Checkpoint) -> None:
    name = checkpoint.name
    _require(checkpoint.family in FAMILIES, f"{name}: family must be one of {FAMILIES}")
    for field in ("native", "multiple", "scale", "steps", "step_ms", "guidance", "max_area"):
        value = getattr(checkpoint, field)
        _require(isfinite(value) and value > 0, f"{name}: {field} must be above 0")
    _require(isfinite(checkpoint.fixed_ms) and checkpoint.fixed_ms >= 0, f"{name}: fixed_ms")
    within = 1 <= checkpoint.min_steps <= checkpoint.steps
    _require(within, f"{name}: min_steps must be from 1 to steps")
    strange = set(checkpoint.samplers) - set(SAMPLERS)
    _require(not strange, f"{name}: unknown samplers {sorted(strange)}")
    _require(checkpoint.sampler in checkpoint.samplers, f"{name}: sampler is not in samplers")
    for size in (*checkpoint.sizes, (checkpoint.native, checkpoint.native)):
        _check_size(checkpoint, size)


def _check_size(checkpoint: Checkpoint, size: Size) -> None:
    width, height = size
    whole = (
        width > 0
        and height > 0
        and not (width % checkpoint.multiple or height % checkpoint.multiple)
    )
    fits = whole and width * height <= checkpoint.max_area
    _require(fits, f"{checkpoint.name}: {width}x{height} is no multiple or larger than max_area")


def _size(text: str) -> Size:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _names(row: Mapping[str, Any], field: str) -> tuple[str, ...]:
    listed = row.get(field, [])
    _require(isinstance(listed, list), f"{field} must be a list of texts")
    return tuple(str(name) for name in listed)


def _words(path: str | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    words = frozenset((ROOT / path).read_text(encoding="utf-8").lower().split())
    _require(bool(words), f"{path} holds no word")
    return words


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)
