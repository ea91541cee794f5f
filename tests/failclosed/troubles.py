"""What may go wrong between a drawn picture and its owner, by name: how each is brought about.

Some are a detector's, in the real filter; some are the child's, which may say anything; some are the
parent's. `SOUND` is none: without it a proof that nothing is delivered would prove nothing.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farm.engine.messages import Finding, Picture
from farm.safety.declarations import read_declarations
from farm.safety.detectors import onnx
from farm.safety.detectors.contract import POLICY, Detector, Sight
from farm.safety.detectors.pixels import PixelsDetector
from farm.safety.images import ImageFilter
from shared.errors import Fault
from shared.safety.verdict import CATEGORIES
from tests.farm.safety import tiny

SOUND = "sound"
# What hangs is given up soon, so that the proof ends; everything else has time on the busiest machine.
HANGS, STUCK = "hangs", "never comes back"
HANGS_S, STUCK_S, PATIENT_S = 0.05, 0.4, 60.0


class Scripted:
    name, version, covers = "scripted", "1", POLICY

    def __init__(self, answer: Callable[[Sequence[Picture]], Any]) -> None:
        self.answer = answer

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        return self.answer(pictures)


def _raises(error: BaseException) -> Callable[[Sequence[Picture]], Any]:
    def answer(pictures: Sequence[Picture]) -> Any:
        raise error

    return answer


def _hangs(pictures: Sequence[Picture]) -> Any:
    time.sleep(4 * HANGS_S)
    return [Sight()] * len(pictures)


DETECTOR: dict[str, Callable[[Sequence[Picture]], Any]] = {
    SOUND: lambda pictures: [Sight(score=0.1)] * len(pictures),
    "raises": _raises(RuntimeError("no kernel image is available")),
    "exits": _raises(SystemExit(1)),
    "out of memory": _raises(MemoryError()),
    HANGS: _hangs,
    "is no number": lambda pictures: [Sight(score=math.nan)] * len(pictures),
    "is of a wrong shape": lambda pictures: [["allow"]] * len(pictures),
    "answers for fewer": lambda pictures: [Sight()] * (len(pictures) - 1),
    "says an unknown label": lambda pictures: [Sight(category="puppies")] * len(pictures),
    "says an unknown decision": lambda pictures: [Sight(decision="maybe")] * len(pictures),  # type: ignore[arg-type]
}


def _vanish(weights: Path) -> None:
    weights.unlink(missing_ok=True)


def _alter(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes() + b"\0")


WEIGHTS: dict[str, Callable[[Path], None]] = {
    "has lost its weights": _vanish,
    "has other weights than were loaded": _alter,
}


def _not_at_all(name: str) -> ImageFilter:
    raise Fault("weights_missing", "There is no file of weights.")


class Stuck(ImageFilter):
    """Not one of its detectors: the filter itself never comes back."""

    def __init__(self) -> None:
        super().__init__([PixelsDetector(), Scripted(DETECTOR[SOUND])])

    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
        time.sleep(3 * STUCK_S)
        return super().inspect(pictures)


class Filters:
    """Opens the filter that goes wrong in the way that its name says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> ImageFilter:
        if name == "cannot be opened":
            return _not_at_all(name)
        if name == STUCK:
            return Stuck()
        seconds = HANGS_S if name == HANGS else PATIENT_S
        return ImageFilter([PixelsDetector(), self._detector(name)], seconds=seconds)

    def _detector(self, name: str) -> Detector:
        if name in WEIGHTS:
            return self._weighted(name)
        return Scripted(DETECTOR.get(name, DETECTOR[SOUND]))

    def _weighted(self, name: str) -> Detector:
        """A real graph that sees red and nothing else, whose file goes wrong once it is loaded."""
        folder = self._folder / name.replace(" ", "-")
        every = sorted(CATEGORIES)
        limits = {category: {"block": 0.9, "strict": 0.5} for category in every}
        manifest = tiny.redness(folder, labels={"plain": "none", "red": every}, thresholds=limits)
        path = folder / "detectors.toml"
        path.write_text(f'[detectors.red]\nkind = "onnx"\nmanifest = "{manifest}"\n')
        detector = onnx.load(read_declarations(path)["red"], device="cpu")
        WEIGHTS[name](folder / "redness.onnx")
        return detector


FILTER = ("cannot be opened", STUCK)

# --- what the child says of it -------------------------------------------------------------------


def _other_pixels(findings: list[Finding]) -> list[Finding]:
    return [_told(one, sha256="0" * 64) for one in findings]


def _fewer(findings: list[Finding]) -> list[Finding]:
    return findings[:-1]


def _unknown(findings: list[Finding]) -> list[Finding]:
    return [_told(one, decision="maybe") for one in findings]


def _told(finding: Finding, **changes: Any) -> Finding:
    fields = {name: getattr(finding, name) for name in Finding.__struct_fields__}
    return Finding(**(fields | changes))


CHILD: dict[str, Callable[[list[Finding]], list[Finding]]] = {
    "child: findings of other pixels": _other_pixels,
    "child: fewer findings than pictures": _fewer,
    "child: an unknown decision": _unknown,
}
KILLED = "child: killed while it looks"

# --- what the parent cannot do -------------------------------------------------------------------

LIST = "the hash list cannot be read"
UNMARKED, UNSIGNED = "a picture cannot be marked", "a picture cannot be signed"
SCREEN = "the prompt screen fails"
TROUBLES = (
    *(name for name in DETECTOR if name != SOUND),
    *WEIGHTS,
    *FILTER,
    *CHILD,
    KILLED,
    LIST,
    UNMARKED,
    UNSIGNED,
    SCREEN,
)
