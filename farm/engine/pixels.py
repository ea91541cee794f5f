"""From decoded tensors to pictures with their hash."""

import hashlib
from collections.abc import Iterable

from PIL import Image
from torch import Tensor

from farm.engine.messages import Picture


def pictures_of(pixels: Tensor, seeds: Iterable[int]) -> list[Picture]:
    """`pixels` are uint8 (n, height, width, 3) on the CPU."""
    return [
        _picture(image, index=index, seed=seed)
        for index, (image, seed) in enumerate(zip(pixels, seeds, strict=True))
    ]


def _picture(image: Tensor, *, index: int, seed: int) -> Picture:
    height, width, _ = image.shape
    rgb = image.numpy().tobytes()
    digest = hashlib.sha256(rgb).hexdigest()
    return Picture(index=index, width=width, height=height, rgb=rgb, sha256=digest, seed=seed)


def image_of(pixels: Tensor) -> Image.Image:
    """Of one picture's uint8 (height, width, 3) on the CPU."""
    return Image.fromarray(pixels.numpy())
