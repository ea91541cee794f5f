"""The operator's `detectors.toml`: what each image detector is, what its labels mean, where it draws the line.

Pure but for reading files: `pictor doctor` reads it too, on hosts without torch.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.safety.detectors.grading import Grading, Threshold
from shared import places
from shared.errors import Fault
from shared.places import require
from shared.safety.verdict import CATEGORIES, MINOR, NONE, SEXUAL

WORLD = "world"  # the built-in detector of a closed world
KINDS = ("vit", "safety_checker", "clip", "onnx", "nudenet")
DEVICES = ("cpu", "cuda")
OUTPUTS = ("softmax", "sigmoid", "logits")
SAMPLINGS = ("nearest", "bilinear", "bicubic", "lanczos", "box")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

Labels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """How an ONNX graph wants its pixels: 0..1, minus `mean`, by `std`, resized as `resample` says."""

    width: int
    height: int
    layout: str = "nchw"
    channels: str = "rgb"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    resample: str = "bilinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """An ONNX file and what goes in and comes out; `classes` in the order of its output."""

    file: Path
    sha256: str
    input: Input
    output: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One detector by its name. A folder has a manifest.json; `file` and `sha256` are NudeNet's own."""

    name: str
    kind: str
    labels: Labels
    thresholds: Mapping[str, Threshold]
    device: str = "cpu"
    folder: Path | None = None
    graph: Graph | None = None
    file: Path | None = None
    sha256: str = ""

    @property
    def covers(self) -> frozenset[str]:
        return frozenset(category for given in self.labels.values() for category in given)

    def grading(self, classes: tuple[str, ...], *, exclusive: bool) -> Grading:
        """Fault when the model has a label that nobody explained, or lacks one that was."""
        strange = set(classes) ^ set(self.labels)
        if strange or len(set(classes)) != len(classes):
            sentence = (
                f"The image detector {self.name} and its declaration do not name the same labels: "
                f"{', '.join(sorted(strange)) or 'one appears twice'}."
            )
            raise Fault("detector_labels", sentence)
        return Grading(self.name, classes, self.labels, self.thresholds, exclusive)


Declarations = Mapping[str, Declaration]


def read_declarations(path: Path | None) -> dict[str, Declaration]:
    """No file declares none. Fault that names what is missing, unknown or impossible."""
    if path is None:
        return {}
    try:
        raw = _read(path)
        stray = set(raw) - {"detectors"}
        require(not stray, f"unknown tables: {', '.join(sorted(stray))}")
        return {name: _declaration(name, row) for name, row in raw["detectors"].items()}
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The detectors {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("detectors_unreadable", sentence) from error


def uncovered(names: tuple[str, ...], declared: Declarations) -> frozenset[str]:
    """The categories of the policy that none of these detectors looks for."""
    if WORLD in names:
        return frozenset()
    covered = [declared[name].covers for name in names if name in declared]
    return frozenset(CATEGORIES).difference(*covered)


# --- rows ------------------------------------------------------------------------------------


def _declaration(name: str, row: Mapping[str, Any]) -> Declaration:
    try:
        require(_NAME.fullmatch(name) is not None and name != WORLD, "is no name for a detector")
        stray = set(row) - READERS.keys()
        require(not stray, f"unknown fields: {', '.join(sorted(stray))}")
        given = {**DEFAULTS.get(row.get("kind", ""), {}), **places.read_fields(row, READERS)}
        require(given.get("kind") in KINDS, f"kind must be one of {', '.join(KINDS)}")
        manifest = given.pop("manifest", None)
        if manifest is not None:
            given = _described(manifest) | given
        declaration = Declaration(name=name, **given)
        _check(declaration)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    return declaration


def _described(manifest: Path) -> dict[str, Any]:
    """What an ONNX manifest says: the graph, and what its classes mean if the row does not say."""
    raw = _read(manifest)
    source = raw.pop("input")
    require(isinstance(source, Mapping), "input must be a table")
    graph = Graph(
        file=manifest.parent / places.text(raw.pop("file")),
        sha256=places.READERS["sha256"](raw.pop("sha256")),
        input=_input(source),
        output=_one_of(OUTPUTS, raw.pop("output")),
        classes=places.texts(raw.pop("classes")),
    )
    stray = set(raw) - {"labels", "thresholds"}
    require(not stray, f"unknown fields in {manifest.name}: {', '.join(sorted(stray))}")
    return {"graph": graph, **places.read_fields(raw, READERS)}


def _input(raw: Mapping[str, Any]) -> Input:
    stray = set(raw) - INPUTS.keys()
    require(not stray, f"unknown fields of the input: {', '.join(sorted(stray))}")
    given = Input(**places.read_fields(raw, INPUTS))
    require(len(given.mean) == len(given.std) == 3, "mean and std have three numbers each")
    require(min(given.width, given.height, *given.std) > 0, "sizes and std must be above 0")
    return given


def _check(one: Declaration) -> None:
    wanted = {"onnx": one.graph, "nudenet": one.sha256}.get(one.kind, one.folder)
    lacking = {"onnx": "a manifest", "nudenet": "the sha256 of its file"}.get(one.kind, "a folder")
    require(bool(wanted), f"needs {lacking}")
    require(one.covers > set(), "no label stands for a category")
    strange = one.covers - set(CATEGORIES)
    require(not strange, f"unknown categories: {', '.join(sorted(strange))}")
    require(set(one.thresholds) == one.covers, "needs thresholds for exactly what it covers")
    for category, threshold in one.thresholds.items():
        sound = 0 < threshold.strict <= threshold.block <= 1
        require(sound, f"{category}: 0 < strict <= block <= 1 must hold")


def _labels(raw: Any) -> dict[str, tuple[str, ...]]:
    """A label stands for one category, for a list of them, or for "none"."""
    require(isinstance(raw, Mapping) and bool(raw), "must be a table of labels")
    named = {str(name): [one] if isinstance(one, str) else one for name, one in raw.items()}
    return {
        name: tuple(category for category in places.texts(given) if category != NONE)
        for name, given in named.items()
    }


def _thresholds(raw: Any) -> dict[str, Threshold]:
    require(isinstance(raw, Mapping), "must be a table of thresholds")
    for category, given in raw.items():
        require(set(given) == {"block", "strict"}, f"{category}: block and strict must be given")
    return {
        category: Threshold(places.number(given["block"]), places.number(given["strict"]))
        for category, given in raw.items()
    }


def _one_of(allowed: tuple[str, ...], value: Any) -> str:
    require(value in allowed, f"must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)


def _numbers(value: Any) -> tuple[float, ...]:
    require(isinstance(value, list), f"must be a list of numbers, not {value!r}")
    return tuple(map(places.number, value))


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    require(isinstance(raw, dict), "is no table")
    return dict(raw)


READERS: dict[str, places.Reader] = {
    "kind": places.text,
    "device": lambda value: _one_of(DEVICES, value),
    "labels": _labels,
    "thresholds": _thresholds,
    "folder": places.rooted,
    "file": places.rooted,
    "manifest": places.rooted,
    "sha256": places.READERS["sha256"],
}
INPUTS: dict[str, places.Reader] = {
    **dict.fromkeys(("width", "height"), places.whole),
    **dict.fromkeys(("mean", "std"), _numbers),
    "layout": lambda value: _one_of(("nchw", "nhwc"), value),
    "channels": lambda value: _one_of(("rgb", "bgr"), value),
    "resample": lambda value: _one_of(SAMPLINGS, value),
}

# NudeNet's classes that show more than clothes; it knows nothing of age, so neither do its labels.
_BARE = (
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "ANUS_EXPOSED",
)
_DRESSED = (
    "FEMALE_GENITALIA_COVERED",
    "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
    "ANUS_COVERED",
    "MALE_BREAST_EXPOSED",
    "BELLY_EXPOSED",
    "BELLY_COVERED",
    "FEET_EXPOSED",
    "FEET_COVERED",
    "ARMPITS_EXPOSED",
    "ARMPITS_COVERED",
    "FACE_FEMALE",
    "FACE_MALE",
)
# The checker's own cosines decide: 0.5 is exactly its threshold, and 0.01 is its "adjustment" of 0.02.
_CHECKER = Threshold(block=0.5, strict=0.49)
DEFAULTS: dict[str, dict[str, Any]] = {
    "safety_checker": {
        "labels": {"concept_with_care": (MINOR,), "concept": (SEXUAL,)},
        "thresholds": {MINOR: _CHECKER, SEXUAL: _CHECKER},
    },
    "nudenet": {
        "labels": {**dict.fromkeys(_BARE, (SEXUAL,)), **dict.fromkeys(_DRESSED, ())},
        "thresholds": {SEXUAL: Threshold(block=0.5, strict=0.3)},
    },
}
