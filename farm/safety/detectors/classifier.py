"""A detector made of a model that scores classes: asked in small batches, believed only if it makes sense."""

import hashlib
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from PIL import Image

from farm.engine.messages import Picture
from farm.safety.detectors.contract import Sight, WrongAnswer
from farm.safety.detectors.grading import Grading, Scores
from farm.safety.detectors.views import whole
from farm.safety.seal import Seal
from shared.errors import Fault

CHUNK = 8  # pictures a forward: what a small GPU has room for beside the checkpoint
SIDE = 64
SAME = 1e-6

Score = Callable[[Sequence[Image.Image]], Scores]
Views = Callable[[Picture], list[Image.Image]]


class Classifier:
    """`score` gives [image, class] in 0..1, in the order of the grading's classes.

    A picture is as bad as the worst of its `views`. `senses` is what must tell black from noise when it
    is tested: the scores, unless those are none below some confidence.
    """

    def __init__(
        self,
        grading: Grading,
        score: Score,
        seal: Seal,
        views: Views = whole,
        *,
        senses: Score | None = None,
    ) -> None:
        self.name = grading.name
        self.covers = frozenset(grading.categories)
        self.version = _version(grading, seal)
        self._grading, self._score, self._seal, self._views = grading, score, seal, views
        self._senses = senses or score

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        """WrongAnswer for scores that cannot be, and for files that are no longer what was loaded."""
        views = [self._views(picture) for picture in pictures]
        scores = self._grading.by_category(self._scores([one for own in views for one in own]))
        # After the forward, not before: nothing can have changed while it ran.
        self._seal.check()
        firsts = np.cumsum([0, *(len(own) for own in views[:-1])])
        return self._grading.sights(np.maximum.reduceat(scores, firsts), strict=strict)

    def prove(self) -> None:
        """Fault unless it gives sound scores, and other ones for black than for noise."""
        try:
            tests = [Image.new("RGB", (SIDE, SIDE)), _static()]
            self._scores(tests)
            black, noise = np.asarray(self._senses(tests), dtype=np.float64)
        except WrongAnswer as wrong:
            raise self._unfit(f"its scores are of a wrong {wrong}") from wrong
        except Exception as error:
            raise self._unfit(f"{type(error).__name__}: {error}") from error
        if not np.abs(black - noise).max() >= SAME:  # nor is NaN
            raise self._unfit("it does not tell black from noise")

    def _scores(self, images: Sequence[Image.Image]) -> Scores:
        starts = range(0, len(images), CHUNK)
        return np.concatenate([self._checked(images[start : start + CHUNK]) for start in starts])

    def _checked(self, images: Sequence[Image.Image]) -> Scores:
        scores = np.asarray(self._score(images), dtype=np.float64)
        if scores.shape != (len(images), len(self._grading.classes)):
            raise WrongAnswer("shape")
        if not (np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1 + SAME).all()):
            raise WrongAnswer("score")
        if self._grading.exclusive and not np.allclose(scores.sum(axis=1), 1.0, atol=0.01):
            raise WrongAnswer("score")
        return scores

    def _unfit(self, why: str) -> Fault:
        sentence = f"The image detector {self.name} failed its test at the start: {why}."
        return Fault("filter_unfit", sentence)


def _version(grading: Grading, seal: Seal) -> str:
    thresholds = sorted((name, one.block, one.strict) for name, one in grading.thresholds.items())
    meaning = repr((grading.classes, sorted(grading.labels.items()), thresholds))
    return f"{seal.sha256[:12]}@{hashlib.sha256(meaning.encode()).hexdigest()[:8]}"


def _static() -> Image.Image:
    return Image.frombytes("RGB", (SIDE, SIDE), Random(0).randbytes(SIDE * SIDE * 3))
