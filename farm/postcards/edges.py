"""The edge map that the edge ControlNet follows."""

import numpy as np
from numpy.typing import NDArray

from farm.postcards.world import Picture

THRESHOLD = 36


def edge_map(pictures: Picture) -> NDArray[np.bool_]:
    """Where brightness jumps between neighbours; uint8 [..., h, w, 3] to bool [..., h, w]."""
    tone = pictures.astype(np.int32).sum(axis=-1) // 3
    found = np.zeros(tone.shape, bool)
    found[..., 1:, :] |= np.abs(tone[..., 1:, :] - tone[..., :-1, :]) > THRESHOLD
    found[..., :, 1:] |= np.abs(tone[..., :, 1:] - tone[..., :, :-1]) > THRESHOLD
    return found


def edge_picture(pictures: Picture) -> Picture:
    """White edges on black, as the ControlNet takes them."""
    return np.repeat(edge_map(pictures)[..., None], 3, axis=-1).astype(np.uint8) * 255


def agreement(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """F1 of two edge maps."""
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))
