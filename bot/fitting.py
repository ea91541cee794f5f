"""Pictures made small enough for what Discord takes as a file."""

from io import BytesIO

from PIL import Image

FILE_LIMIT = 10 * 2**20  # Discord's for everybody; servers and people may have more
_TRIES = ((2_048, 90), (2_048, 75), (1_536, 75), (1_024, 70), (768, 60))  # longer side, quality


def fitted_to(picture: bytes, limit: int) -> bytes:
    """As it is where it fits, else a smaller WebP; nothing where no try of ours gets it under `limit`."""
    if len(picture) <= limit:
        return picture
    try:
        with Image.open(BytesIO(picture)) as opened:
            plain = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return b""
    tries = (_webp(plain, side, quality) for side, quality in _TRIES)
    return next((smaller for smaller in tries if len(smaller) <= limit), b"")


def _webp(picture: Image.Image, side: int, quality: int) -> bytes:
    small, out = picture.copy(), BytesIO()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.save(out, "WEBP", quality=quality)
    return out.getvalue()
