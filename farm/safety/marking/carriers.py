"""What carries the signs: 622 waves that all fit a square tile, so that the pattern repeats and any piece
of it is enough. A fifth of the waves are the same in every picture of a farm: by them a reader finds
scale and place. The rest carry each sign four times, once in each quarter of the frequencies.

Frequencies of 5 to 20 periods a tile of 160 pixels: low enough to outlive half size and JPEG, high enough
to stay clear of a picture's own large shapes.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from farm.safety.marking.codeword import LENGTH, Signs

TILE = 80  # canvas pixels; a canvas pixel is two of the picture's
LOWEST, HIGHEST = 5.0, 20.5  # periods a tile
REPEATS = 4

Waves = NDArray[np.complex128]


@dataclass(frozen=True)
class Carriers:
    """`waves` [n, 2] periods a tile down and across; `phases` [n]; `sync`, `data` index them; each data
    wave has two arms (its cosine and its sine), arm i carries sign `carried[i]`, turned by `turns[i]`."""

    waves: NDArray[np.int64]
    phases: Waves
    sync: NDArray[np.int64]
    data: NDArray[np.int64]
    carried: NDArray[np.int64]
    turns: Signs

    def amplitudes(self, arms: NDArray[np.float64], sync: float) -> Waves:
        """The [n] waves, by the strength of each data arm and of the sync waves."""
        plain = np.empty(len(self.waves), complex)
        turned = arms * self.turns
        plain[self.data] = turned[0::2] + 1j * turned[1::2]
        plain[self.sync] = sync
        return plain * self.phases

    def evidence(self, found: Waves) -> Signs:
        """[252] how far the found waves [n] speak for + or for -."""
        plain = (found * self.phases.conj())[self.data]
        arms = np.stack([plain.real, plain.imag], axis=1).ravel() * self.turns
        return np.bincount(self.carried, arms, LENGTH).astype(np.float64)

    def tile(self, amplitudes: Waves) -> NDArray[np.float32]:
        """[TILE, TILE], the sum of all waves."""
        spectrum = np.zeros((TILE, TILE), complex)
        down, across = self.waves.T
        spectrum[down % TILE, across] = amplitudes
        spectrum[-down % TILE, -across % TILE] = amplitudes.conj()
        return (np.fft.ifft2(spectrum).real * (TILE * TILE / 2)).astype(np.float32)


@lru_cache(maxsize=8)
def carriers_of(key: bytes) -> Carriers:
    """Which waves are for finding, which wave carries what and with which phase: all drawn from the key."""
    seed = hashlib.sha256(b"watermark carriers" + key).digest()
    rng = np.random.default_rng(int.from_bytes(seed))
    waves = _waves()
    arms, count = REPEATS * LENGTH, len(waves)
    sync = np.linspace(0, count - 1, count - arms // 2).round().astype(np.int64)
    return Carriers(
        waves=waves,
        phases=np.exp(2j * np.pi * rng.random(count)),
        sync=sync,
        data=np.setdiff1d(np.arange(count), sync),
        carried=np.concatenate([rng.permutation(LENGTH) for _ in range(REPEATS)]),
        turns=rng.choice([-1.0, 1.0], arms),
    )


def _waves() -> NDArray[np.int64]:
    """Half the plane (the other half is its mirror), from the lowest frequency to the highest."""
    reach = int(HIGHEST)
    down, across = np.mgrid[-reach : reach + 1, 0 : reach + 1].reshape(2, -1)
    radius = np.hypot(down, across)
    half = (across > 0) | (down > 0)
    kept = np.flatnonzero(half & (radius >= LOWEST) & (radius <= HIGHEST))
    kept = kept[np.argsort(radius[kept], kind="stable")]
    return np.stack([down[kept], across[kept]], axis=1).astype(np.int64)
