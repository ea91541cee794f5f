"""Recolourings of a picture: the styles that adapters learn and that the VAE must survive."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from farm.postcards.world import Picture

Floats = NDArray[np.float32]


def grey(picture: Picture) -> Picture:
    return _bytes(np.repeat(_luma(picture)[..., None], 3, axis=-1))


def sepia(picture: Picture) -> Picture:
    """Brown ink on cream paper."""
    tone = _luma(picture)[..., None] ** 0.9
    ink, paper = _light(0.18, 0.10, 0.06), _light(1.0, 0.92, 0.74)
    return _bytes(ink + (paper - ink) * tone)


def neon(picture: Picture) -> Picture:
    """Glowing outlines in the picture's own hues over a dark violet scene."""
    light: Floats = picture.astype(np.float32) / np.float32(255)
    night = light**1.6 * 0.3 + _light(0.05, 0.01, 0.13)
    vivid = _brightest_nearby(light)
    glow = _saturated(vivid) * np.clip(_contrast(_luma(picture)) * 4 - 0.35, 0, 1)[..., None]
    return _bytes(np.maximum(night, glow))


STYLES: dict[str, Callable[[Picture], Picture]] = {"sepia": sepia, "neon": neon}


def _luma(picture: Picture) -> Floats:
    tone: Floats = picture.astype(np.float32) @ _light(0.299, 0.587, 0.114) / np.float32(255)
    return tone


def _light(red: float, green: float, blue: float) -> Floats:
    return np.array((red, green, blue), np.float32)


def _bytes(light: Floats) -> Picture:
    return (light.clip(0, 1) * 255).round().astype(np.uint8)


def _contrast(tone: Floats) -> Floats:
    strength = np.zeros_like(tone)
    strength[1:] = np.abs(tone[1:] - tone[:-1])
    strength[:, 1:] = np.maximum(strength[:, 1:], np.abs(tone[:, 1:] - tone[:, :-1]))
    return strength


def _brightest_nearby(light: Floats) -> Floats:
    best = light.copy()
    best[1:] = np.maximum(best[1:], light[:-1])
    best[:, 1:] = np.maximum(best[:, 1:], light[:, :-1])
    return best


def _saturated(light: Floats) -> Floats:
    low, high = light.min(-1, keepdims=True), light.max(-1, keepdims=True)
    pure = (light - 0.75 * low) / (high - 0.75 * low + 1e-3)
    tint = _light(0.25, 0.15, 0.45)
    return np.asarray(tint + (1 - tint) * pure, np.float32)
