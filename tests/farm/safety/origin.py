"""A farm's keys, a picture, and what a delivery would make of it: for tests of where pictures come from."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from uuid import UUID

import numpy as np
from PIL import Image

from farm.postcards import world
from farm.safety import keys
from farm.safety.provenance import Claim, Proven, open_provenance
from shared.config import ProvenanceSettings

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
JOB = UUID("6fd2a7c3-9b1e-4a55-8f0e-2d9c1b7a4e60")
OTHER_JOB = UUID("0b7e3c11-5a0d-4f6b-9c55-3d1f7a2b8e99")
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/avif": "AVIF"}
CLAIM = Claim(
    job=str(JOB),
    spec_sha256="5" * 64,
    checkpoint="postcards",
    checkpoint_sha256="c" * 64,
    recipe_sha256="4" * 64,
    at=AT,
    picture="image 1",
)


def settings_in(folder: Path, *, name: str = "A farm", **changes: object) -> ProvenanceSettings:
    """Of a farm whose keys lie there; they are made if need be."""
    if not keys.present(folder):
        keys.make_keys(folder, now=datetime.now(UTC), name=name)
    return ProvenanceSettings.model_validate({"keys": folder, "claim_generator": name} | changes)


def farm_in(folder: Path, *, name: str = "A farm", **changes: object) -> Proven:
    opened = open_provenance(settings_in(folder, name=name, **changes))
    assert isinstance(opened, Proven)
    return opened


def claim(**changes: object) -> Claim:
    return replace(CLAIM, **changes)  # type: ignore[arg-type]


@cache
def scene(seed: int = 3, side: int = 512) -> Image.Image:
    small = Image.fromarray(world.render(world.sample(random.Random(seed)), seed=seed))
    return small.resize((side, side), Image.Resampling.NEAREST)


def encoded(image: Image.Image, mime: str = "image/png", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, FORMATS[mime], **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


def pixels(image: Image.Image) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(image)
