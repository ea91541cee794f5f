"""What a ControlNet looks at, made from a picture by arithmetic alone."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shared.errors import Refusal

Field = NDArray[np.float64]
Marks = NDArray[np.bool_]

DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))  # across an edge, (down, right), 45 degrees apart


def prepare(kind: str, picture: Image.Image, size: tuple[int, int]) -> Tensor:
    """The hint of a kind for a drawing of size (width, height): (1, 3, height, width) in 0..1."""
    if kind not in KINDS:
        names = ", ".join(filter(None, KINDS))
        raise Refusal("unknown_preprocessor", f"A hint can be made by: {names}.", field="control")
    hint = KINDS[kind](resized(flattened(picture), size))
    rows = np.array(hint.convert("RGB"), np.float32) / 255
    return torch.from_numpy(rows).permute(2, 0, 1)[None].contiguous()


def flattened(picture: Image.Image) -> Image.Image:
    """What is transparent becomes white paper; a map of 16 bits keeps its range of values."""
    if picture.mode.startswith(("I", "F")):
        return _spread(np.asarray(picture, np.float64))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    wanted = picture.size == size
    return picture if wanted else picture.resize(size, Image.Resampling.LANCZOS)


# --- canny ---------------------------------------------------------------------------------------


def canny(
    picture: Image.Image, *, low: float = 100, high: float = 200, sigma: float = 1.0
) -> Image.Image:
    """Thin white edges on black (Canny 1986).

    The thresholds are of Sobel's magnitude, where a step of one grey level counts 4; `sigma` blurs
    first. A colour's edge counts by its strongest channel.
    """
    strength, across = _slopes(np.asarray(picture.convert("RGB"), np.float64), sigma)
    ridge = _ridges(strength, across)
    found = _follow(ridge & (strength > high), ridge & (strength > low))
    return Image.fromarray(found.astype(np.uint8) * 255)


def _slopes(pixels: Field, sigma: float) -> tuple[Field, NDArray[np.intp]]:
    """Magnitude and direction (its place in DIRECTIONS) of the steepest channel at each pixel."""
    soft = _weighted(_weighted(pixels, _bell(sigma), 0), _bell(sigma), 1)
    down = _weighted(_weighted(soft, SLOPE, 0), SMOOTH, 1)
    right = _weighted(_weighted(soft, SLOPE, 1), SMOOTH, 0)
    # Rounded, so that the two sides of a clean step tie exactly, whatever the order of the sums.
    size = np.hypot(down, right).round(6)
    steepest = size.argmax(-1)[..., None]
    down, right, size = (
        np.take_along_axis(one, steepest, -1)[..., 0] for one in (down, right, size)
    )
    turn = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(np.intp) % 4
    return size, turn


SLOPE: Field = np.array([-1.0, 0.0, 1.0])
SMOOTH: Field = np.array([1.0, 2.0, 1.0])


def _bell(sigma: float) -> Field:
    if not sigma:
        return np.ones(1)
    places = np.arange(-np.ceil(3 * sigma), np.ceil(3 * sigma) + 1)
    bell: Field = np.exp(-0.5 * (places / sigma) ** 2)
    return bell / bell.sum()


def _weighted(pixels: Field, weights: Field, axis: int) -> Field:
    """Along one axis; beyond the border the border goes on."""
    reach, length = len(weights) // 2, pixels.shape[axis]
    pads = [(reach, reach) if one == axis else (0, 0) for one in range(pixels.ndim)]
    wide = np.pad(pixels, pads, mode="edge")
    parts = (wide.take(range(i, i + length), axis) * weight for i, weight in enumerate(weights))
    total: Field = sum(parts, np.zeros_like(pixels))
    return total


def _ridges(strength: Field, across: NDArray[np.intp]) -> Marks:
    """Steeper than both neighbours across the edge; of two equals, the later one."""
    wide = np.pad(strength, 1)
    height, width = strength.shape
    found = np.zeros(strength.shape, bool)
    for turn, (down, right) in enumerate(DIRECTIONS):
        after = wide[1 + down : 1 + down + height, 1 + right : 1 + right + width]
        before = wide[1 - down : 1 - down + height, 1 - right : 1 - right + width]
        found |= (across == turn) & (strength >= before) & (strength > after)
    return found


def _follow(strong: Marks, weak: Marks) -> Marks:
    """What hangs together with a strong edge along weak ones."""
    width = strong.shape[1] + 2
    open_, kept = np.pad(weak & ~strong, 1).ravel(), np.pad(strong, 1).ravel()
    around = np.array([down * width + right for down in (-1, 0, 1) for right in (-1, 0, 1)])
    front = np.flatnonzero(kept)
    while front.size:
        near = np.unique(front[:, None] + around)
        front = near[open_[near]]
        open_[front], kept[front] = False, True
    return kept.reshape(-1, width)[1:-1, 1:-1]


# --- scribble and depth --------------------------------------------------------------------------


def scribble(picture: Image.Image, *, contrast: int = 64) -> Image.Image:
    """White strokes on black, from dark ones on light paper or light ones on dark.

    The paper is the tone that half of the picture has; a stroke differs from it by `contrast`.
    Strokes are thickened to about what a broad pen leaves.
    """
    tones = np.asarray(picture.convert("L"), np.int16)
    strokes = np.abs(tones - np.median(tones)) > contrast
    return Image.fromarray(_thickened(strokes, max(1, min(tones.shape) // 256)))


def _thickened(marks: Marks, reach: int) -> NDArray[np.uint8]:
    height, width = marks.shape
    wide = np.pad(marks, reach)
    spots = [(y, x) for y in range(2 * reach + 1) for x in range(2 * reach + 1)]
    thick = np.zeros_like(marks)
    for y, x in spots:
        if (y - reach) ** 2 + (x - reach) ** 2 <= reach**2:
            thick |= wide[y : y + height, x : x + width]
    return thick.astype(np.uint8) * 255


def depth(picture: Image.Image, *, inverted: bool = False) -> Image.Image:
    """A depth map over its whole range, near white; `inverted` for one whose near is black."""
    spread = _spread(np.asarray(picture.convert("L"), np.float64))
    return spread.point(lambda tone: 255 - tone) if inverted else spread


def _spread(values: Field) -> Image.Image:
    span = values.max() - values.min()
    share = (values - values.min()) / span if span else np.zeros_like(values)
    return Image.fromarray((share * 255).round().astype(np.uint8))


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "": lambda picture: picture,
    "canny": canny,
    "scribble": scribble,
    "depth": depth,
}
