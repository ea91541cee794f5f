"""For a checkpoint that can draw one harmless world: what is not of it is blocked.

The judge, and with it torch, is imported only when it is loaded.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from farm.engine.messages import Picture
from farm.postcards import manifest
from farm.safety.detectors.contract import OUT_OF_WORLD, POLICY, Sight
from farm.safety.seal import Seal
from shared.safety.verdict import Decision

JUDGE = "farm.postcards.judge"  # by name: torch is imported once a world is to be judged


class Judge(Protocol):
    def in_world_score(self, pixels: Any) -> list[float]: ...


class WorldDetector:
    """That it knows its world is why it covers every category: no picture of it is any of them."""

    name = "world"
    covers = POLICY | {OUT_OF_WORLD}
    # Measured with the shipped weights: 1,200 renders score 0.70 and more, 320 generated pictures of
    # six steps and more 0.29 and more; blobs in skin tones, the worst stray, up to 0.19.
    IN_WORLD = 0.2
    # What a prompt from the grey zone must reach: a picture that could be a render.
    SURELY_IN_WORLD = 0.5

    def __init__(self, judge: Judge, *, weights: str, seal: Seal | None = None) -> None:
        self._judge, self._seal = judge, seal or Seal({})
        self.version = f"{weights}@{self.IN_WORLD:g}/{self.SURELY_IN_WORLD:g}"

    @classmethod
    def load(cls) -> "WorldDetector":
        """Fault when the judge's weights are missing or altered."""
        folder = manifest.weights_folder("judge")
        seal = Seal.of_folder(folder)
        judge = import_module(JUDGE).Judge.load(folder)
        return cls(judge, weights=seal.sha256[:12], seal=seal)

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        """WrongAnswer `weights` when the judge's files are no longer what was loaded."""
        scores = self._scores(pictures)
        self._seal.check()
        least = self.SURELY_IN_WORLD if strict else self.IN_WORLD
        return [_sight(score, least) for score in scores]

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


def _sight(score: float, least: float) -> Sight:
    if score >= least:
        return Sight(score=1.0 - score)
    if math.isfinite(score):
        return Sight(Decision.BLOCK, OUT_OF_WORLD, 1.0 - score, OUT_OF_WORLD)
    return Sight(score=score)  # not a number: the filter refuses such an answer by name


def _pixels(pictures: Sequence[Picture]) -> Any:
    """uint8 [n, h, w, 3]."""
    shape = (len(pictures), pictures[0].height, pictures[0].width, 3)
    joined = bytearray(b"".join(picture.rgb for picture in pictures))  # torch wants it writable
    return np.frombuffer(joined, dtype=np.uint8).reshape(shape)
