"""A stranger's picture as the text service gets it: small, without what its camera wrote into it."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from math import log

from PIL import Image, ImageOps

from shared.errors import Refusal

MOST_BYTES = 10 * 2**20
MOST_PIXELS = 16 * 2**20
LONGEST_SIDE = 1_024
FORMATS = ("PNG", "JPEG", "WEBP")
BROKEN = "That is no whole PNG, JPEG or WebP: it is something else, or it is damaged."
# What people write behind --ar; a picture gets the nearest of them.
SHAPES = ("1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "4:5", "3:4", "2:3", "9:16", "1:2")


@dataclass(frozen=True, slots=True)
class Miniature:
    """`shape` is what --ar takes."""

    jpeg: bytes
    shape: str


def miniature(data: bytes) -> Miniature:
    """Refusal for what is no picture, or too large to be looked at: that is known before it is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as opened:
                return _shrunk(opened)
        except Refusal:
            raise
        except Exception as error:  # hostile bytes surprise a decoder in more ways than it names
            raise Refusal("not_a_picture", BROKEN, field="picture") from error


def _shrunk(opened: Image.Image) -> Miniature:
    width, height = opened.size
    if width * height > MOST_PIXELS:
        sentence = f"The picture has more than the {MOST_PIXELS >> 20} megapixels that I look at."
        raise Refusal("picture_too_large", sentence, field="picture")
    opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # a JPEG is not decoded whole for this
    small = ImageOps.exif_transpose(opened).convert("RGB")  # as its camera was held
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    out = BytesIO()
    small.save(out, "JPEG", quality=88)
    return Miniature(out.getvalue(), shape_of(*small.size))


def shape_of(width: int, height: int) -> str:
    return min(SHAPES, key=lambda shape: abs(log(width / height) - log(_ratio(shape))))


def _ratio(shape: str) -> float:
    width, _, height = shape.partition(":")
    return int(width) / int(height)
