"""Marking a picture: rehearsed on its canvas, each round a little louder, until a reader hears enough.

Each round goes through what the mark must outlive (JPEG, a crop from either corner), hears what a reader
would hear then, and mends the gains by it. So a picture that carries the mark easily gets a faint one.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from farm.safety.marking.canvas import (
    Pixels,
    Plane,
    brightness,
    heard,
    in_band,
    least_around,
    mean_around,
    resized,
)
from farm.safety.marking.carriers import REPEATS, TILE, Carriers
from farm.safety.marking.codeword import LENGTH, Signs
from farm.safety.marking.search import waves_at
from farm.safety.marking.strength import SYNC_SHARE, gains

PITCH = 2.0  # pixels to a canvas pixel, in pictures whose shorter side is LARGE at most
LARGE = 1024
# dB a round. The first three settle the gains; further ones are for pictures that drown the mark.
ROUNDS = (40.5, 40.5, 40.5, 40.0, 39.5, 39.0, 38.6, 38.3, 38.3)
ENOUGH = 10  # wrong signs after the rehearsal, of the 25 that are mended
# JPEG at half size is about three times as hard on the band as at full size: 75 here is a bit under 50 there.
REHEARSED_QUALITY = 75
REHEARSED_CROP = 0.08  # of height and width: 15% of the area
HIDES, HIDES_MOST = np.float32(0.15), 12  # louder by so much a grey level of texture, up to so many


class Engraver:
    """A picture [height, width, 3] and the signs that it shall carry."""

    def __init__(self, rgb: Pixels, carriers: Carriers, signs: Signs) -> None:
        self._rgb, self._carriers, self._signs = rgb, carriers, signs
        height, width = rgb.shape[:2]
        pitch = pitch_of(height, width)
        self._box = (0.0, 0.0, width / pitch, height / pitch)
        shape = int(np.ceil(height / pitch)), int(np.ceil(width / pitch))
        self._plain = resized(brightness(rgb), shape, box=(0, 0, width, height))
        self._bearable = bearable(self._plain)
        self._bears = float(np.square(self._bearable).mean())

    def engraved(self) -> Pixels:
        silent, _ = self._rehearsed(np.zeros_like(self._plain))
        energy, _ = self._energies(ROUNDS[0])
        gain = np.full(LENGTH, np.sqrt(energy / LENGTH))
        evidence, _ = self._rehearsed(self._drawn(gain, ROUNDS[0]))
        response = max(1e-6, float((evidence - silent) @ gain / (gain @ gain)))
        for psnr in ROUNDS[1:]:
            gain = gains(evidence - response * gain, response, self._energies(psnr)[0])
            mark = self._drawn(gain, psnr)
            evidence, wrong = self._rehearsed(mark)
            if wrong <= ENOUGH:
                break
        return self._pressed(mark, psnr)

    def _energies(self, psnr: float) -> tuple[float, float]:
        """What a round may spend, as sums of squared amplitudes: on one arm of each sign, and on finding."""
        energy = 2 * _mean_square(psnr) / self._bears
        return energy * (1 - SYNC_SHARE) / REPEATS, energy * SYNC_SHARE

    def _drawn(self, gain: Signs, psnr: float) -> Plane:
        carriers = self._carriers
        sync = np.sqrt(self._energies(psnr)[1] / len(carriers.sync))
        arms = (self._signs * gain)[carriers.carried]
        tile = carriers.tile(carriers.amplitudes(arms, float(sync)))
        height, width = self._plain.shape
        repeated = np.tile(tile, (height // TILE + 1, width // TILE + 1))[:height, :width]
        return repeated * self._bearable

    def _rehearsed(self, mark: Plane) -> tuple[Signs, int]:
        """What is heard for each sign in the mean, and the wrong ones at the worst."""
        plane = heard(_jpeg(self._plain + mark))
        down, across = (int(side * REHEARSED_CROP) for side in plane.shape)
        heads = [
            self._evidence(plane, (0, 0)),
            self._evidence(plane[down:, across:], (down, across)),
            self._evidence(plane[:-down, :-across], (0, 0)),
        ]
        return np.mean(heads, axis=0), max(int((evidence < 0).sum()) for evidence in heads)

    def _evidence(self, plane: Plane, corner: tuple[int, int]) -> Signs:
        carriers = self._carriers
        moved = np.exp(-2j * np.pi * (carriers.waves @ np.array(corner)) / TILE)
        return carriers.evidence(waves_at(plane, 1.0, carriers) * moved) * self._signs

    def _pressed(self, mark: Plane, psnr: float) -> Pixels:
        """Into the picture's own pixels, its mean square exact before rounding and clipping."""
        whole = resized(mark, self._rgb.shape[:2], box=self._box)
        whole = whole * np.sqrt(_mean_square(psnr) / np.square(whole).mean())
        return np.rint(self._rgb + whole[..., None]).clip(0, 255).astype(np.uint8)


def pitch_of(height: int, width: int) -> float:
    """A large picture gets a coarser mark, since it will be looked at and sent on smaller."""
    return PITCH * max(1.0, min(height, width) / LARGE)


def bearable(canvas: Plane) -> Plane:
    """How much of the mark each place hides: 1 where all is flat, up to 2.8 in texture. A flat place beside
    an edge counts as flat, since there the eye would see it."""
    band = in_band(canvas)
    busy = np.sqrt(mean_around(band * band, 4))
    quietest = mean_around(least_around(busy, 5), 3)
    return 1 + HIDES * quietest.clip(0, HIDES_MOST)


def _mean_square(psnr: float) -> float:
    return float(255**2 / 10 ** (psnr / 10))


def _jpeg(canvas: Plane) -> Plane:
    buffer = BytesIO()
    grey = np.rint(canvas.clip(0, 255)).astype(np.uint8)
    Image.fromarray(grey).save(buffer, format="JPEG", quality=REHEARSED_QUALITY)
    return np.asarray(Image.open(buffer)).astype(np.float32)
