"""How a picture looks, in 64 bits: alike pictures differ in few of them, whatever their size or format.

The perceptual hash that most tools mean by pHash: 32x32 greys, their cosine transform, the signs of its
8x8 lowest frequencies about their median (Zauner, 2010).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, LOW = 32, 8
ALIKE = 8  # bits: two pictures that differ in no more are called alike


def looks_of(image: Image.Image) -> int:
    """Signed, as Postgres keeps 64 bits."""
    grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    waves = _COSINES @ np.asarray(grey, dtype=np.float64) @ _COSINES.T
    bits = np.packbits(waves.ravel() > np.median(waves))
    return int.from_bytes(bits.tobytes(), "big", signed=True)


def distance(one: int, other: int) -> int:
    return ((one ^ other) & (2**64 - 1)).bit_count()


def _cosines() -> NDArray[np.float64]:
    """[8, 32]: the lowest rows of an unscaled DCT-II, without the constant one."""
    rows, places = np.arange(1, LOW + 1)[:, None], np.arange(SIDE)[None, :]
    table: NDArray[np.float64] = np.cos(np.pi * rows * (2 * places + 1) / (2 * SIDE))
    return table


_COSINES = _cosines()
