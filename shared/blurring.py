"""Pictures that moderators see first: what kind of picture it is, and no more. Nothing of it can be undone."""

from io import BytesIO

from PIL import Image, ImageFilter

from shared.errors import Fault

GRAINS = 24  # along the longer side: this is all that is left of a picture
SHOWN = 384
RADIUS = 12


def blurred(picture: bytes) -> bytes:
    """A small WebP. Fault when this is no picture: then nothing is shown."""
    try:
        with Image.open(BytesIO(picture)) as opened:
            opened.draft("RGB", (SHOWN, SHOWN))  # a JPEG is not decoded whole for this
            grains = _within(opened.convert("RGB"), GRAINS)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Fault("picture_unreadable", "This picture cannot be shown.") from error
    soft = _within(grains, SHOWN).filter(ImageFilter.GaussianBlur(RADIUS))
    out = BytesIO()
    soft.save(out, "WEBP", quality=60)
    return out.getvalue()


def _within(picture: Image.Image, side: int) -> Image.Image:
    share = side / max(picture.size)
    width, height = (max(round(length * share), 1) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
