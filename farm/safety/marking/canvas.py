"""A picture as the mark sees it: brightness at half size, and what of it a reader listens to.

The mark lies in the brightness alone: JPEG and WebP keep colour at half size and coarser. A reader lets
through the mark's own band and divides it by how much goes on around each place, so that a line or a
texture does not outshout the quiet parts.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from farm.safety.marking.carriers import HIGHEST, LOWEST, TILE

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8]

AROUND = 6  # canvas pixels to each side: a wave of the lowest frequency is 16 long
QUIET = 0.6  # grey levels below which a place counts as silent; rounding alone makes 0.3
LOUDEST = 2.0  # deviations; what is louder is a line of the picture's own
_MARGIN = 16
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # ITU-R BT.601, as in JPEG and WebP


def brightness(rgb: Pixels) -> Plane:
    weights = np.array([_RED, _GREEN, _BLUE], np.float32)
    return rgb.astype(np.float32) @ weights


def canvas_of(plane: Plane, pitch: float) -> Plane:
    """`plane` at `pitch` of its pixels to a canvas pixel; what does not fill one is left out."""
    height, width = (int(side / pitch) for side in plane.shape)
    return resized(plane, (height, width), box=(0, 0, width * pitch, height * pitch))


def resized(
    plane: Plane, shape: tuple[int, int], *, box: tuple[float, float, float, float]
) -> Plane:
    """`box` (left, top, right, bottom) of `plane` at [height, width] `shape`."""
    image = Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC, box=box)
    return np.asarray(image)


def heard(canvas: Plane) -> Plane:
    """The band of the mark, evened out: about 1 in amplitude everywhere but where all is still."""
    band = in_band(canvas)
    loudness = np.sqrt(mean_around(band * band, AROUND) + np.float32(QUIET * QUIET))
    return (band / loudness).clip(-LOUDEST, LOUDEST)


def in_band(canvas: Plane) -> Plane:
    """Higher frequencies count for more, since pictures hold less of them (their amplitude falls as 1/f)."""
    padded = np.pad(canvas - canvas.mean(), _MARGIN, mode="reflect")
    height, width = padded.shape
    periods = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)) * TILE
    gate = ((periods - 2) / (LOWEST - 2)).clip(0, 1) * ((28 - periods) / (28 - HIGHEST)).clip(0, 1)
    gate *= (periods / HIGHEST).clip(0, 1)
    band = np.fft.irfft2(np.fft.rfft2(padded) * gate.astype(np.float32), s=padded.shape)
    return band[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32)


def mean_around(plane: Plane, reach: int) -> Plane:
    """The mean over the square that goes `reach` to each side."""
    side = 2 * reach + 1
    total = np.pad(plane, ((reach + 1, reach),) * 2, mode="reflect").cumsum(0, dtype=np.float64)
    total = (total[side:] - total[:-side]).cumsum(1)
    return ((total[:, side:] - total[:, :-side]) / side**2).astype(np.float32)


def least_around(plane: Plane, reach: int) -> Plane:
    """The least over the square that goes `reach` to each side."""
    for axis in (0, 1):
        padded = np.pad(plane, [(reach * (i == axis),) * 2 for i in (0, 1)], mode="edge")
        count = plane.shape[axis]
        shifts = (padded.take(range(n, n + count), axis) for n in range(2 * reach + 1))
        plane = np.minimum.reduce(list(shifts))
    return plane
