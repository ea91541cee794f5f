"""The invisible mark: which job a picture came from, readable after JPEG, resizing and cropping.

A pattern of waves that repeats every 160 pixels is added to the brightness (spread spectrum), shaped by how
much each place hides, and made louder where the picture contradicts it. Reading needs neither the original
nor its size. The key draws the pattern: with another key there is nothing to find, and nothing to forge
without it; but whoever holds many marked pictures can average the pattern out of them, so the mark is a
sign that says "ours" to honest askers, not a proof against a determined forger.
"""

from dataclasses import dataclass
from uuid import UUID

import numpy as np

from farm.safety.marking.canvas import (
    Pixels,
    Plane,
    brightness,
    heard,
    in_band,
    least_around,
    mean_around,
    resized,
)
from farm.safety.marking.carriers import REPEATS, TILE, Carriers, carriers_of
from farm.safety.marking.codeword import LENGTH, Signs, decipher, spell
from farm.safety.marking.search import tempered, traces, waves_at
from farm.safety.marking.strength import SYNC_SHARE, gains

SMALLEST = 256  # pixels of the shorter side; a smaller picture holds too little of the pattern
WHOLE = 7  # the index of a grid sheet; tiles have 0 to 3
PSNR = 39.0  # dB; asked were 38
_PITCH = 2.0  # pixels to a canvas pixel, in pictures of up to _LARGE
_LARGE = 1024
_ROUNDS = 4


@dataclass(frozen=True)
class Reading:
    """`confidence` is the share of the evidence that speaks for `code` (0.5 would be chance), `corrected`
    the wrong signs of 252, `scale` the size of what was read over the size that was marked (of the mark's
    own resolution, when either was over 1024 pixels)."""

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
    return _Work(rgb, carriers_of(key), signs).marked()


def read(rgb: Pixels, *, key: bytes) -> Reading | None:
    """What `embed` put in with this key, or None. No picture is an error, whatever its size."""
    shrunk, plane = _at_most(brightness(rgb))
    for trace in traces(plane, carriers_of(key)):
        evidence = carriers_of(key).evidence(tempered(trace.waves))
        message = decipher(evidence, key=key)
        if message is not None:
            scale = trace.pitch * shrunk / _PITCH
            return Reading(message.code, message.index, message.agreement, message.corrected, scale)
    return None


def _at_most(plane: Plane) -> tuple[float, Plane]:
    """A large picture is read at 1024 pixels: its mark is as much coarser."""
    height, width = plane.shape
    shrunk = max(1.0, min(height, width) / _LARGE)
    if shrunk == 1:
        return shrunk, plane
    shape = int(height / shrunk), int(width / shrunk)
    return shrunk, resized(plane, shape, box=(0, 0, width, height))


class _Work:
    """A picture while it is marked: each round hears what a reader would, and mends the gains."""

    def __init__(self, rgb: Pixels, carriers: Carriers, signs: Signs) -> None:
        self._rgb, self._carriers, self._signs = rgb, carriers, signs
        height, width = rgb.shape[:2]
        self._pitch = _PITCH * max(1.0, min(height, width) / _LARGE)
        self._box = (0.0, 0.0, width / self._pitch, height / self._pitch)
        self._shape = int(np.ceil(height / self._pitch)), int(np.ceil(width / self._pitch))
        plain = self._canvas(rgb)
        self._bearable = bearable(plain)
        self._plain = self._evidence(plain)

    def marked(self) -> Pixels:
        budget = 255**2 / 10 ** (PSNR / 10)
        energy = 2 * budget / float(np.square(self._bearable).mean())
        for_signs = energy * (1 - SYNC_SHARE) / REPEATS
        sync = float(np.sqrt(energy * SYNC_SHARE / len(self._carriers.sync)))
        gain = np.full(LENGTH, np.sqrt(for_signs / LENGTH))
        marked = self._with(gain, sync, budget)
        response = 0.0
        for _ in range(_ROUNDS):
            evidence = self._evidence(self._canvas(marked))
            response = response or float((evidence - self._plain) @ gain / (gain @ gain))
            gain = gains(evidence - response * gain, max(response, 1e-6), for_signs)
            marked = self._with(gain, sync, budget)
        return marked

    def _with(self, gain: Signs, sync: float, budget: float) -> Pixels:
        """The picture with that mark, scaled so that its mean square is `budget`."""
        carriers = self._carriers
        arms = (self._signs * gain)[carriers.carried]
        tile = carriers.tile(carriers.amplitudes(arms, sync))
        height, width = self._shape
        canvas = np.tile(tile, (height // TILE + 1, width // TILE + 1))[:height, :width]
        mark = resized(canvas * self._bearable, self._rgb.shape[:2], box=self._box)
        mark = mark * np.sqrt(budget / np.square(mark).mean())
        return np.rint(self._rgb + mark[..., None]).clip(0, 255).astype(np.uint8)

    def _canvas(self, rgb: Pixels) -> Plane:
        return resized(brightness(rgb), self._shape, box=(0, 0, rgb.shape[1], rgb.shape[0]))

    def _evidence(self, canvas: Plane) -> Signs:
        waves = waves_at(heard(canvas), 1.0, self._carriers)
        return self._carriers.evidence(waves) * self._signs


def bearable(canvas: Plane) -> Plane:
    """How much of the mark each place hides: 1 where all is flat, up to 5 in texture. A flat place beside
    an edge counts as flat, since there the eye would see it."""
    band = in_band(canvas)
    busy = np.sqrt(mean_around(band * band, 4))
    quietest = mean_around(least_around(busy, 5), 3)
    return 1 + np.float32(0.35) * quietest.clip(0, 12)
