"""The invisible mark: which job a picture came from, readable after JPEG, resizing and cropping.

A pattern of waves that repeats every 160 pixels is added to the brightness (spread spectrum), shaped by how
much each place hides, and made louder where the picture contradicts it. Reading needs neither the original
nor its size. What it survives is measured in docs/safety.md.

The key draws the pattern: with another key there is nothing to find, and no way to spell a word that would
be ours. But whoever holds many marked pictures can average the pattern out of them, copy the mark of one
picture into another, or drown it. A reading says "this mark is of that job", never "this picture is".
"""

from dataclasses import dataclass
from uuid import UUID

from farm.safety.marking.canvas import Pixels, Plane, brightness, resized
from farm.safety.marking.carriers import carriers_of
from farm.safety.marking.codeword import Message, decipher, spell
from farm.safety.marking.engraving import LARGE, PITCH, Engraver
from farm.safety.marking.search import traces

SMALLEST = 256  # pixels of the shorter side; a smaller picture holds too little of the pattern
WHOLE = 7  # the index of a grid sheet; tiles have 0 to 3


@dataclass(frozen=True)
class Reading:
    """`confidence` is the share of the evidence that speaks for `code` (0.5 would be chance), `corrected`
    the wrong signs of 252, `scale` the size of what was read over the size that was marked (a picture that
    was marked at more than 1024 pixels counts as one of 1024)."""

    code: int
    index: int
    confidence: float
    corrected: int
    scale: float


def code_of(job_id: UUID) -> int:
    """The job's first 64 bits."""
    return job_id.int >> 64


def embed(rgb: Pixels, code: int, *, key: bytes, index: int = 0) -> Pixels:
    """`rgb` [height, width, 3] with `code` (64 bits) and `index` (0 to 7) in it; the same every time.

    Below 256 pixels the picture comes back as it was; from 256 to 511 the mark is there, but survives less.
    ValueError when a number does not fit.
    """
    signs = spell(code, index, key=key)
    if min(rgb.shape[:2]) < SMALLEST:
        return rgb
    return Engraver(rgb, carriers_of(key), signs).engraved()


def read(rgb: Pixels, *, key: bytes) -> Reading | None:
    """What `embed` put in with this key, or None. No picture is an error, whatever its size."""
    shrunk, plane = _at_most(brightness(rgb))
    carriers = carriers_of(key)
    for trace in traces(plane, carriers):
        message = decipher(carriers.evidence(trace.waves), key=key)
        if message is not None:
            return _told(message, trace.pitch * shrunk / PITCH)
    return None


def _told(message: Message, scale: float) -> Reading:
    return Reading(message.code, message.index, message.agreement, message.corrected, scale)


def _at_most(plane: Plane) -> tuple[float, Plane]:
    """A large picture is read at 1024 pixels: its mark is as much coarser."""
    height, width = plane.shape
    shrunk = max(1.0, min(height, width) / LARGE)
    if shrunk == 1:
        return shrunk, plane
    shape = int(height / shrunk), int(width / shrunk)
    return shrunk, resized(plane, shape, box=(0, 0, width, height))
