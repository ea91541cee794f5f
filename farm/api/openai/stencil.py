"""The mask of an edit, as OpenAI's clients send it, made ours: what is transparent there is drawn anew, and
that is white here. Runs in a process of its own, for the picture is a stranger's (shared.chamber)."""

from io import BytesIO

from PIL import Image, ImageChops

from shared.chamber import serve

NOTHING = b""  # no part of it is transparent, or all of it


def stencil(data: bytes) -> bytes:
    """A PNG of black and white."""
    with Image.open(BytesIO(data), formats=["PNG", "WEBP"]) as image:
        alpha = image.convert("RGBA").getchannel("A")
    clear = ImageChops.invert(alpha).point(lambda value: 255 if value == 255 else 0)
    if clear.getextrema() != (0, 255):
        return NOTHING
    written = BytesIO()
    clear.save(written, "PNG")
    return written.getvalue()


if __name__ == "__main__":
    serve(stencil)
