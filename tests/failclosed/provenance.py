"""A maker of marks and signatures that can make neither."""

from PIL import Image

from farm.safety.provenance import Claim
from shared.errors import Fault
from tests.failclosed.troubles import UNMARKED, UNSIGNED


class Unable:
    marks, tells_prompt = True, False

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble

    def mark(self, image: Image.Image, code: int, *, index: int) -> Image.Image:
        if self._trouble == UNMARKED:
            raise Fault("not_marked", "The picture could not be marked.", retryable=True)
        return image

    def sign(self, data: bytes, *, mime: str, claim: Claim) -> bytes:
        assert self._trouble == UNSIGNED
        raise Fault("not_signed", "The picture could not be signed.", retryable=True)
