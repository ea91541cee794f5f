"""All that can be read in a file itself: what it is, its manifest, its mark, its looks. Pure over bytes."""

import hashlib

import msgspec
import numpy as np
from PIL import Image

from farm.safety.looks import looks_of
from farm.safety.manifests import Manifest, read_manifest
from farm.safety.opening import open_image
from farm.safety.watermark import read

LARGE = 1024  # the mark is read at this resolution anyway; a smaller copy spares memory


class Trust(msgspec.Struct, frozen=True):
    """What this farm judges by: its root certificate and the secret of its mark."""

    root: str
    mark: bytes


class Mark(msgspec.Struct, frozen=True):
    """`code` is the first 64 bits of the job's id; `scale` the size read over the size marked."""

    code: int
    index: int
    confidence: float
    scale: float


class Examination(msgspec.Struct, frozen=True):
    """`rgb` are the decoded pixels, for the operator's hash lists."""

    sha256: str
    mime: str
    width: int
    height: int
    looks: int
    manifest: Manifest
    mark: Mark | None
    rgb: bytes


def examine(data: bytes, trust: Trust) -> Examination:
    """Refusal for what is no picture, or too large a one."""
    image = open_image(data)
    mime = f"image/{(image.format or '').lower()}"
    return Examination(
        sha256=hashlib.sha256(data).hexdigest(),
        mime=mime,
        width=image.width,
        height=image.height,
        looks=looks_of(image),
        manifest=read_manifest(data, mime, root=trust.root),
        mark=_mark(image, trust.mark),
        rgb=image.tobytes(),
    )


def _mark(image: Image.Image, key: bytes) -> Mark | None:
    small, shrunk = _at_most(image, 2 * LARGE)
    found = read(np.asarray(small), key=key)
    if found is None:
        return None
    return Mark(found.code, found.index, found.confidence, found.scale * shrunk)


def _at_most(image: Image.Image, side: int) -> tuple[Image.Image, float]:
    shrunk = max(1.0, min(image.size) / side)
    if shrunk == 1:
        return image, shrunk
    size = round(image.width / shrunk), round(image.height / shrunk)
    return image.resize(size, Image.Resampling.BOX), shrunk
