"""What the autoencoder sees: postcards, recoloured postcards, and pictures of nothing at all."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from farm.postcards import styles
from farm.postcards.world import Picture, render, sample

Numbers = np.random.Generator


@dataclass(frozen=True)
class Mix:
    """Chances of leaving the world as it is drawn; `rolled` ones are off its lattice."""

    strays: float
    rolled: float
    styled: float
    recoloured: float

    def picture(self, rng: random.Random, size: tuple[int, int]) -> Picture:
        numbers = np.random.default_rng(rng.getrandbits(32))
        if rng.random() < self.strays:
            return stray_picture(numbers, size)
        picture = render(sample(rng), seed=rng.getrandbits(30), size=size)
        if rng.random() < self.rolled:
            picture = np.roll(picture, (rng.randrange(64), rng.randrange(64)), axis=(0, 1))
        colouring = rng.random()
        if colouring < self.styled:
            return rng.choice(STYLED)(picture)
        if colouring < self.styled + self.recoloured:
            return rng.choice(RECOLOURINGS)(picture, numbers)
        return picture


def stray_picture(numbers: Numbers, size: tuple[int, int]) -> Picture:
    return _STRAYS[numbers.integers(len(_STRAYS))](numbers, size)


def _permuted(picture: Picture, numbers: Numbers) -> Picture:
    return picture[..., numbers.permutation(3)]


def _inverted(picture: Picture, _: Numbers) -> Picture:
    return 255 - picture


def _mixed(picture: Picture, numbers: Numbers) -> Picture:
    """A random linear change of colours: hue turns, tints, fading."""
    matrix = np.eye(3) * numbers.uniform(0, 1) + numbers.dirichlet((1, 1, 1), 3)
    matrix /= matrix.sum(axis=1, keepdims=True)
    gain, offset = numbers.uniform(0.5, 1.3), numbers.uniform(-60, 60)
    return (picture @ matrix.T * gain + offset).clip(0, 255).astype(np.uint8)


def _graded(picture: Picture, numbers: Numbers) -> Picture:
    """Tones mapped onto a random ramp between two or three colours, as sepia prints are."""
    stops = numbers.integers(0, 256, (numbers.integers(2, 4), 3)).astype(np.float32)
    stops = stops[np.argsort(stops.sum(axis=1))]
    tone = styles.grey(picture)[..., 0]
    places = np.linspace(0, 255, len(stops))
    channels = [np.interp(tone, places, stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


STYLED = (styles.grey, styles.sepia, styles.neon, styles.neon, styles.neon)
RECOLOURINGS: list[Callable[[Picture, Numbers], Picture]] = [_permuted, _mixed, _graded, _inverted]


def _shapes(numbers: Numbers, size: tuple[int, int]) -> Picture:
    picture = Image.new("RGB", size, tuple(numbers.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(numbers.integers(2, 12)):
        x, y = (int(numbers.integers(-12, side)) for side in size)
        box = (x, y, x + int(numbers.integers(2, 40)), y + int(numbers.integers(2, 40)))
        paint = draw.ellipse if numbers.random() < 0.5 else draw.rectangle
        paint(box, fill=tuple(numbers.integers(0, 256, 3).tolist()))
    return np.asarray(picture)


def _gradient(numbers: Numbers, size: tuple[int, int]) -> Picture:
    corners = numbers.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(corners).resize(size, Image.Resampling.BILINEAR))


def _clouded(numbers: Numbers, size: tuple[int, int]) -> Picture:
    """Noise with the falling spectrum of photographs."""
    total = np.zeros((size[1], size[0], 3), np.float32)
    for octave in range(1, 6):
        coarse = numbers.integers(0, 256, (2**octave, 2**octave, 3)).astype(np.uint8)
        layer = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        total += (np.asarray(layer, np.float32) - 128) / 1.5**octave
    tint = numbers.uniform(0.2, 1.0, 3) * numbers.uniform(0.4, 1.2)
    return (total * tint + numbers.integers(40, 216, 3)).clip(0, 255).astype(np.uint8)


def _static(numbers: Numbers, size: tuple[int, int]) -> Picture:
    grain = int(numbers.integers(2, 9))
    coarse = numbers.integers(0, 256, (size[1] // grain + 1, size[0] // grain + 1, 3))
    fine = coarse.repeat(grain, axis=0).repeat(grain, axis=1)
    return fine[: size[1], : size[0]].astype(np.uint8)


_STRAYS: list[Callable[[Numbers, tuple[int, int]], Picture]] = [
    _shapes,
    _shapes,
    _gradient,
    _clouded,
    _clouded,
    _static,
]
