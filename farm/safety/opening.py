"""The one door for pictures from outside. It is opened in the cell alone (farm.safety.cell)."""

import warnings
from io import BytesIO

from PIL import Image

from shared.errors import Refusal

MOST_BYTES = 10 * 2**20
MOST_PIXELS = 16 * 2**20
LONGEST = 16_384  # of one side: no thread of a picture either
BROKEN = "That is no whole PNG, JPEG, WebP or AVIF: it is something else, or it is damaged."
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")


def open_image(data: bytes) -> Image.Image:
    """Decoded, one frame, RGB pixels; `format` says what the file was. Refusal for everything else.

    Width and height are looked at before a single pixel is: 21 KB can claim gigabytes.
    """
    if len(data) > MOST_BYTES:
        raise Refusal("file_too_large", f"The file is larger than {MOST_BYTES >> 20} MB.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            opened = Image.open(BytesIO(data), formats=FORMATS)
            _check(opened)
            image = opened.convert("RGB")
        except Refusal:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large() from error
        except Exception as error:  # hostile bytes surprise a decoder in more ways than it names
            raise Refusal("not_a_picture", BROKEN) from error
    image.format = opened.format
    return image


def _check(opened: Image.Image) -> None:
    width, height = opened.size
    if width * height > MOST_PIXELS or max(width, height) > LONGEST:
        raise _too_large()
    if getattr(opened, "n_frames", 1) != 1:
        raise Refusal("picture_moves", "That is an animation; I look at still pictures alone.")


def _too_large() -> Refusal:
    sentence = f"The picture has more than the {MOST_PIXELS >> 20} megapixels that I look at."
    return Refusal("picture_too_large", sentence)
