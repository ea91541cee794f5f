"""What looks at pixels: each detector says which categories it covers, and what it saw.

The judge, and with it torch, is imported only when it is loaded.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from farm.engine.messages import Picture
from shared.errors import Fault
from shared.safety.blocklist import CATEGORIES
from shared.safety.verdict import Decision

# Everything a picture may be blocked for. A filter opens only if each has a detector.
POLICY = frozenset(CATEGORIES) | {"public_figure"}
DAMAGED, KNOWN, OUT_OF_WORLD = "damaged", "known", "out_of_world"

# Less between the darkest and the lightest byte is a decoder that broke (black, grey, NaN clipped).
# The flattest of 1,000 rendered postcards spans 202; a picture of fog may span far less.
LEAST_SPREAD = 16


@dataclass(frozen=True, slots=True)
class Sight:
    """One detector's view of one picture. `score` is in 0..1, 1 = surely to be blocked."""

    decision: Decision = Decision.ALLOW
    category: str = "none"
    score: float = 0.0
    rule: str = ""


class Detector(Protocol):
    """`version` names thresholds and weights: it goes into the policy that a verdict states."""

    name: str
    version: str
    covers: frozenset[str]

    def look(self, pictures: Sequence[Picture]) -> list[Sight]: ...


class PixelsDetector:
    """The bytes are what they claim to be, and show something."""

    name = "pixels"
    version = f"spread{LEAST_SPREAD}"
    covers = frozenset({DAMAGED})

    def look(self, pictures: Sequence[Picture]) -> list[Sight]:
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Picture) -> Sight:
        if len(picture.rgb) != picture.width * picture.height * 3 or not picture.rgb:
            return _damaged("shape")
        if hashlib.sha256(picture.rgb).hexdigest() != picture.sha256:
            return _damaged("hash")
        if max(picture.rgb) - min(picture.rgb) < LEAST_SPREAD:
            return _damaged("blank")
        return Sight()


class HashDetector:
    """The operator's own list: SHA-256 of native pixels, one a line. Never configurable off by a user."""

    name = "hashes"
    covers = frozenset({KNOWN})

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self.version = hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest()[:12]

    @classmethod
    def load(cls, path: Path) -> "HashDetector":
        """Fault when the file is missing or a line is no hash: a list half read protects nobody."""
        try:
            lines = [line.split("#")[0].strip().lower() for line in path.read_text().splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise Fault("hash_list_unreadable", f"The hash list {path} cannot be read.") from error
        known = frozenset(filter(None, lines))
        for digest in known:
            _check_digest(digest, path)
        return cls(known)

    def look(self, pictures: Sequence[Picture]) -> list[Sight]:
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Picture) -> Sight:
        if hashlib.sha256(picture.rgb).hexdigest() in self._known:
            return Sight(Decision.BLOCK, KNOWN, 1.0, "known_hash")
        return Sight()


class Judge(Protocol):
    def in_world_score(self, pixels: Any) -> list[float]: ...


class WorldDetector:
    """For a checkpoint that can draw one harmless world: what is not of it is blocked.

    That is why it covers every category: no picture of this world is any of them.
    """

    name = "world"
    covers = POLICY | {OUT_OF_WORLD}
    # Measured with the shipped weights: 1,200 renders score 0.70 and more, 320 generated pictures of
    # six steps and more 0.29 and more; blobs in skin tones, the worst stray, up to 0.19.
    IN_WORLD = 0.2

    def __init__(self, judge: Judge, *, weights: str) -> None:
        self._judge = judge
        self.version = f"{weights}@{self.IN_WORLD:g}"

    @classmethod
    def load(cls) -> "WorldDetector":
        """Fault when the judge's weights are missing or altered."""
        from farm.postcards import judge, manifest

        folder = manifest.weights_folder("judge")
        digests = manifest.verify(folder)
        weights = hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()[:12]
        return cls(judge.Judge.load(folder), weights=weights)

    def look(self, pictures: Sequence[Picture]) -> list[Sight]:
        scores = self._scores(pictures)
        return [self._sight(score) for score in scores]

    def _scores(self, pictures: Sequence[Picture]) -> list[float]:
        """The judge takes pictures of one size at a time."""
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for place, picture in enumerate(pictures):
            by_size[picture.width, picture.height].append(place)
        scores = [math.nan] * len(pictures)
        for places in by_size.values():
            found = self._judge.in_world_score(_pixels([pictures[place] for place in places]))
            for place, score in zip(places, found, strict=True):
                scores[place] = score
        return scores

    def _sight(self, score: float) -> Sight:
        if score >= self.IN_WORLD:
            return Sight(score=1.0 - score)
        if math.isfinite(score):
            return Sight(Decision.BLOCK, OUT_OF_WORLD, 1.0 - score, OUT_OF_WORLD)
        return Sight(score=score)  # not a number: the filter refuses such an answer by name


def _pixels(pictures: Sequence[Picture]) -> Any:
    """uint8 [n, h, w, 3]."""
    shape = (len(pictures), pictures[0].height, pictures[0].width, 3)
    joined = bytearray(b"".join(picture.rgb for picture in pictures))  # torch wants it writable
    return np.frombuffer(joined, dtype=np.uint8).reshape(shape)


def _damaged(what: str) -> Sight:
    return Sight(Decision.BLOCK, DAMAGED, 1.0, f"filter_failed:{what}")


def _check_digest(digest: str, path: Path) -> None:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise Fault(
            "hash_list_unreadable", f"The hash list {path} holds {digest[:20]!r}: no SHA-256."
        )
