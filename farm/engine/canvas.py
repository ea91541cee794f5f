"""Pictures brought onto a canvas: to its size, into a place on it, mixed. Pure arithmetic on pixels."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageFilter, ImageOps

from shared.spec import Placement

Size = tuple[int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom

OVERLAP = 1 / 32  # of the source's shorter side, is drawn anew where it meets what surrounds it
LEAST_OVERLAP = 2  # pixels
FEATHER = 1 / 64  # of the mask's shorter side
SOFTNESS = 1 / 8  # of the canvas: how far the colours around the source run into each other


def fitted(picture: Image.Image, size: Size, *, sharp: bool = False) -> Image.Image:
    """Of this size and its own shape: what is too much is cut off evenly. `sharp` mixes no pixels."""
    how = Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS
    return ImageOps.fit(picture, size, how)


def enlarged(picture: Image.Image, size: Size, *, wraps: bool) -> Image.Image:
    """Smoothly; one whose edges meet is looked at around its edges."""
    if not wraps:
        return picture.resize(size, Image.Resampling.LANCZOS)
    width, height = picture.size
    rows = np.pad(np.asarray(picture), ((height, height), (width, width), (0, 0)), mode="wrap")
    inner = (width, height, 2 * width, 2 * height)
    return Image.fromarray(rows).resize(size, Image.Resampling.LANCZOS, box=inner)


def shrunk(picture: Image.Image, least: Size) -> Image.Image:
    """Enlarged pixel art without its enlargement, exactly; never smaller than `least`."""
    block = _block(picture)
    most = min(picture.width // least[0], picture.height // least[1])
    times = max((n for n in range(1, most + 1) if block % n == 0), default=1)
    size = picture.width // times, picture.height // times
    return picture.resize(size, Image.Resampling.NEAREST)


def _block(picture: Image.Image) -> int:
    """Side of the largest squares, each of one colour, that the whole picture is made of."""
    pixels = np.asarray(picture)
    across = np.flatnonzero((pixels[:, 1:] != pixels[:, :-1]).any(axis=(0, 2))) + 1
    down = np.flatnonzero((pixels[1:] != pixels[:-1]).any(axis=(1, 2))) + 1
    return math.gcd(*picture.size, *across.tolist(), *down.tolist())


def mixed(pictures: Sequence[Image.Image], shares: Sequence[float]) -> Image.Image:
    """Each by its share of all."""
    layers = np.stack([np.asarray(one, dtype=np.float64) for one in pictures])
    pixels = np.average(layers, axis=0, weights=shares)
    return Image.fromarray(pixels.round().astype(np.uint8))


def visible(place: Placement, size: Size) -> Box:
    """What the canvas shows of the source; nothing lies in it when left >= right or top >= bottom."""
    right, bottom = place.left + place.width, place.top + place.height
    return max(0, place.left), max(0, place.top), min(size[0], right), min(size[1], bottom)


def surrounded(picture: Image.Image, place: Placement, size: Size) -> Image.Image:
    """The picture at its place on the canvas, and around it its own colours.

    Its edges drawn out and blurred: enough to go on from, too little to be taken for a thing.
    """
    left, top, right, bottom = box = visible(place, size)
    resized = picture.resize((place.width, place.height), Image.Resampling.LANCZOS)
    shown = resized.crop(
        (left - place.left, top - place.top, right - place.left, bottom - place.top)
    )
    margins = ((top, size[1] - bottom), (left, size[0] - right), (0, 0))
    around = Image.fromarray(np.pad(np.asarray(shown), margins, mode="edge"))
    canvas = around.filter(ImageFilter.GaussianBlur(SOFTNESS * min(size)))
    canvas.paste(shown, box[:2])
    return canvas


def outside(size: Size, box: Box) -> Image.Image:
    """The mask of all but the box: white, also for a seam inside it where it meets the rest."""
    overlap = max(LEAST_OVERLAP, round(OVERLAP * min(box[2] - box[0], box[3] - box[1])))
    inner = (
        box[0] + overlap if box[0] > 0 else 0,
        box[1] + overlap if box[1] > 0 else 0,
        box[2] - overlap if box[2] < size[0] else size[0],
        box[3] - overlap if box[3] < size[1] else size[1],
    )
    mask = Image.new("L", size, 255)
    if inner[0] < inner[2] and inner[1] < inner[3]:
        mask.paste(0, inner)
    return mask


def laid_over(drawn: Image.Image, picture: Image.Image, mask: Image.Image) -> Image.Image:
    """What the mask leaves black is the picture itself again: a decoder gives it back a little worse.

    The border is soft towards the inside: nothing of the picture shows where it was drawn anew.
    """
    reach = max(1, round(FEATHER * min(mask.size)))
    grown = mask.filter(ImageFilter.MaxFilter(2 * reach + 1)).filter(ImageFilter.BoxBlur(reach))
    return Image.composite(drawn, picture, ImageChops.lighter(mask, grown))
