"""The bytes are what they claim to be, and show something."""

import hashlib
from collections.abc import Sequence

from farm.engine.messages import Picture
from farm.safety.detectors.contract import DAMAGED, Sight
from shared.safety.verdict import Decision

# Less between the darkest and the lightest byte is a decoder that broke (black, grey, NaN clipped).
# The flattest of 1,000 rendered postcards spans 202; a picture of fog may span far less.
LEAST_SPREAD = 16


class PixelsDetector:
    name = "pixels"
    version = f"spread{LEAST_SPREAD}"
    covers = frozenset({DAMAGED})

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        return [self._look(picture) for picture in pictures]

    def _look(self, picture: Picture) -> Sight:
        if len(picture.rgb) != picture.width * picture.height * 3 or not picture.rgb:
            return _damaged("shape")
        if hashlib.sha256(picture.rgb).hexdigest() != picture.sha256:
            return _damaged("hash")
        if max(picture.rgb) - min(picture.rgb) < LEAST_SPREAD:
            return _damaged("blank")
        return Sight()


def _damaged(what: str) -> Sight:
    return Sight(Decision.BLOCK, DAMAGED, 1.0, f"filter_failed:{what}")
