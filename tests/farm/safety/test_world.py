"""The shipped judge behind the shipped filter: its world passes, what is not of it does not."""

import hashlib
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from farm.engine.messages import Picture
from farm.postcards import manifest
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.world import SIZES, render, sample
from farm.safety.images import ImageFilter, open_filter
from shared.catalog import read_catalog
from shared.config import SHARED

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def image_filter() -> ImageFilter:
    return open_filter(POSTCARDS)


def picture(pixels: Pixels) -> Picture:
    rgb = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
    digest = hashlib.sha256(rgb).hexdigest()
    return Picture(0, pixels.shape[1], pixels.shape[0], rgb, sha256=digest, seed=0)


def blocked(image_filter: ImageFilter, pixels: list[Pixels]) -> list[str]:
    findings = image_filter.inspect([picture(one) for one in pixels])
    assert len(findings) == len(pixels)
    return [finding.rule for finding in findings if finding.decision != "allow"]


@pytest.mark.parametrize("size", SIZES)
def test_postcards_pass(image_filter: ImageFilter, size: tuple[int, int]) -> None:
    rng = random.Random(f"postcards {size}")
    cards = [render(sample(rng), seed=rng.getrandbits(30), size=size) for _ in range(200)]
    assert len(blocked(image_filter, cards)) <= 1  # under 0.5 %


def test_what_the_model_draws_passes(image_filter: ImageFilter) -> None:
    pipeline = open_pipeline(manifest.weights_folder("base"))
    drawn = draw(pipeline, [*POSTCARDS.examples] * 4, num_inference_steps=12)
    assert blocked(image_filter, list(drawn)) == []


def noise(numbers: np.random.Generator) -> Pixels:
    return numbers.integers(0, 256, (64, 64, 3)).astype(np.uint8)


def gradient(numbers: np.random.Generator) -> Pixels:
    ends = numbers.integers(0, 256, (2, 3)).astype(float)
    share = np.linspace(0, 1, 64)[:, None, None]
    return np.broadcast_to(ends[0] * (1 - share) + ends[1] * share, (64, 64, 3)).astype(np.uint8)


def blobs_of_skin(numbers: np.random.Generator) -> Pixels:
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    picture = np.full((64, 64, 3), 60.0)
    for _ in range(4):
        x, y, wide, tall = *numbers.uniform(8, 56, 2), *numbers.uniform(6, 24, 2)
        near = np.clip(1.5 - ((across - x) / wide) ** 2 - ((down - y) / tall) ** 2, 0, 1)
        picture = picture * (1 - near[..., None]) + np.array([220, 170, 140]) * near[..., None]
    return picture.astype(np.uint8)


def shuffled_postcard(numbers: np.random.Generator) -> Pixels:
    card = render(sample(random.Random(int(numbers.integers(2**30)))), seed=1)
    tiles = card.reshape(8, 8, 8, 8, 3).swapaxes(1, 2).reshape(64, 8, 8, 3)
    tiles = tiles[numbers.permutation(64)]
    return tiles.reshape(8, 8, 8, 8, 3).swapaxes(1, 2).reshape(64, 64, 3)


@pytest.mark.parametrize("stray", [noise, gradient, blobs_of_skin, shuffled_postcard])
def test_what_is_not_of_the_world_is_blocked(image_filter: ImageFilter, stray: object) -> None:
    assert callable(stray)
    strays = [stray(np.random.default_rng(number)) for number in range(20)]
    assert len(blocked(image_filter, strays)) >= 19
