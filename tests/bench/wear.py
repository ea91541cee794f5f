"""Pictures of several kinds, and what happens to a picture on its way through the world."""

import random
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from farm.pictures import grid
from farm.postcards import world

Pixels = NDArray[np.uint8]
Attack = Callable[[Pixels, np.random.Generator], Pixels]
KINDS = ("postcard", "photograph", "texture", "gradient", "grid of postcards")
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def picture(kind: str, rng: np.random.Generator, size: int) -> Pixels:
    return _PAINTERS[kind](rng, size)


def image_of(rgb: Pixels) -> Image.Image:
    return Image.fromarray(rgb)


def _postcard(rng: np.random.Generator, size: int) -> Pixels:
    """A scene of the small model's world, enlarged as it is delivered."""
    seed = int(rng.integers(1 << 30))
    small = world.render(world.sample(random.Random(seed)), seed=seed)
    return np.asarray(image_of(small).resize((size, size), Image.Resampling.NEAREST))


def _sheet(rng: np.random.Generator, size: int) -> Pixels:
    """Four scenes with a gutter, marked as one."""
    sheet = grid([image_of(_postcard(rng, size // 2 - 4)) for _ in range(4)])
    return np.asarray(sheet)


def _photograph(rng: np.random.Generator, size: int) -> Pixels:
    """A random piece of one of three photographs that come with scikit-learn and matplotlib."""
    photographs = _photographs()
    image = photographs[int(rng.integers(len(photographs)))]
    side = int(min(image.size) * rng.uniform(0.6, 1))
    left, top = (int(rng.integers(room - side + 1)) for room in image.size)
    piece = image.crop((left, top, left + side, top + side))
    return np.asarray(piece.resize((size, size), Image.Resampling.LANCZOS))


@lru_cache(maxsize=1)
def _photographs() -> list[Image.Image]:
    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return [
        Image.open(portrait).convert("RGB"),
        *(image_of(rgb) for rgb in load_sample_images().images),
    ]


def _texture(rng: np.random.Generator, size: int) -> Pixels:
    """Coloured noise that falls as f^-0.8 (sand) to f^-1.8 (clouds)."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    frequency[0, 0] = np.inf
    noise = rng.standard_normal((4, size, size))
    mixed = noise[:3] * 0.5 + noise[3]
    planes = np.fft.irfft2(np.fft.rfft2(mixed) / frequency ** rng.uniform(0.8, 1.8))
    levels = rng.uniform(80, 170, 3) + np.moveaxis(planes / planes.std(), 0, -1) * rng.uniform(
        15, 60
    )
    return levels.clip(0, 255).astype(np.uint8)


def _gradient(rng: np.random.Generator, size: int) -> Pixels:
    """Two colours run into two others, with some discs on them: nowhere to hide."""
    down, across = np.mgrid[0:size, 0:size] / size
    corners = rng.uniform(20, 230, (2, 2, 3))
    rows = corners[0] + down[..., None, None] * (corners[1] - corners[0])
    levels = rows[..., 0, :] + across[..., None] * (rows[..., 1, :] - rows[..., 0, :])
    for _ in range(4):
        y, x, radius = rng.random(3)
        edge = ((0.05 + radius / 5 - np.hypot(down - y, across - x)) * 60).clip(0, 1)[..., None]
        levels = levels * (1 - edge) + edge * rng.uniform(10, 245, 3)
    return levels.clip(0, 255).astype(np.uint8)


_PAINTERS = dict(zip(KINDS, (_postcard, _photograph, _texture, _gradient, _sheet), strict=True))


def encoded(rgb: Pixels, kind: str, quality: int) -> Pixels:
    buffer = BytesIO()
    image_of(rgb).save(buffer, format=kind, quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resized(rgb: Pixels, scale: float, how: Image.Resampling = BICUBIC) -> Pixels:
    height, width = (round(side * scale) for side in rgb.shape[:2])
    return np.asarray(image_of(rgb).resize((width, height), how))


def cropped(rgb: Pixels, rng: np.random.Generator, area: float) -> Pixels:
    """Without `area` (0 to 1) of it, the rest from anywhere."""
    height, width = (int(side * (1 - area) ** 0.5) for side in rgb.shape[:2])
    top = int(rng.integers(rgb.shape[0] - height + 1))
    left = int(rng.integers(rgb.shape[1] - width + 1))
    return rgb[top : top + height, left : left + width]


def _levels(rgb: Pixels, *, contrast: float = 1.0, shift: float = 0.0) -> Pixels:
    levels = (rgb.astype(float) - 128) * contrast + 128 + shift
    return levels.round().clip(0, 255).astype(np.uint8)


def _turned(rgb: Pixels, degrees: float) -> Pixels:
    return np.asarray(image_of(rgb).rotate(degrees, BICUBIC))


def _screenshot(rgb: Pixels, rng: np.random.Generator) -> Pixels:
    return encoded(cropped(resized(rgb, 0.8), rng, 0.1), "JPEG", 80)


ATTACKS: dict[str, Attack] = {"none": lambda rgb, _: rgb}
ATTACKS |= {f"JPEG {q}": lambda rgb, _, q=q: encoded(rgb, "JPEG", q) for q in (90, 70, 50, 30)}  # type: ignore[misc]
ATTACKS |= {f"WebP {q}": lambda rgb, _, q=q: encoded(rgb, "WEBP", q) for q in (80, 50)}  # type: ignore[misc]
ATTACKS |= {
    f"{scale}x {how.name.lower()}": lambda rgb, _, scale=scale, how=how: resized(rgb, scale, how)  # type: ignore[misc]
    for scale in (0.5, 0.75, 1.3, 2.0)
    for how in (BICUBIC, BILINEAR)
}
ATTACKS |= {
    "crop 10%": lambda rgb, rng: cropped(rgb, rng, 0.10),
    "crop 25%": lambda rgb, rng: cropped(rgb, rng, 0.25),
    "0.5x, then JPEG 50": lambda rgb, _: encoded(resized(rgb, 0.5), "JPEG", 50),
    "crop 10%, then JPEG 70": lambda rgb, rng: encoded(cropped(rgb, rng, 0.1), "JPEG", 70),
    "screenshot: 0.8x, crop 10%, JPEG 80": _screenshot,
    "brighter by 10%": lambda rgb, _: _levels(rgb, shift=25.5),
    "contrast -10%": lambda rgb, _: _levels(rgb, contrast=0.9),
    "contrast +10%": lambda rgb, _: _levels(rgb, contrast=1.1),
    "mirrored": lambda rgb, _: rgb[:, ::-1],
    "turned by 1 degree": lambda rgb, _: _turned(rgb, 1),
}
