"""Finding the pattern: at which scale it lies in a picture, and where its tile begins.

The waves for finding are known, so that for each scale one transform tells how well they fit at every
place of the tile at once. A picture is heard at five sizes, half an octave apart; all scales in between
are read from the same spectrum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from farm.safety.marking.canvas import Plane, canvas_of, heard
from farm.safety.marking.carriers import HIGHEST, REPEATS, TILE, Carriers, Waves

# Picture pixels to a canvas pixel: from 0.42 to 2.4 times the size it was marked at. The commonest first.
PITCHES = tuple(2 * 2 ** (step / 2) for step in (0, -2, 2, -1, 1))
SURE = 8.0  # deviations: with such a fit no other size is tried
SMALLEST = 96  # canvas pixels; one tile and a bit
_HALF_STEP = 0.26  # octaves to each side of a pitch, a little over a quarter
_FINER = 4
KEPT = 2  # pitches that are looked at closely,
FINALISTS = 3  # each at so many scales next to each other
SAME = 0.015  # pitches nearer than this are one

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True)
class Trace:
    """Where the pattern may lie: `pitch` picture pixels to a canvas pixel, `fit` in deviations of chance
    (chance alone reaches 5 somewhere), and the `waves` as found, tempered, turned to the tile's beginning."""

    pitch: float
    fit: float
    waves: Waves


@dataclass(frozen=True)
class Hearing:
    """A picture at one size: `plane` as heard, and its spectrum."""

    pitch: float
    plane: Plane
    spectrum: Spectrum


def traces(plane: Plane, carriers: Carriers) -> Iterator[Trace]:
    """The likeliest first, each worked out only when asked for."""
    found: list[tuple[float, float, Hearing]] = []
    for pitch in PITCHES:
        if min(plane.shape) / pitch >= SMALLEST and not any(fit > SURE for fit, *_ in found):
            hearing = heard_at(plane, pitch)
            found += [(fit, scale, hearing) for fit, scale in _coarse(hearing, carriers)]
    found.sort(key=lambda each: -each[0])
    for scale, hearing in _apart([(scale, hearing) for _, scale, hearing in found])[:KEPT]:
        yield from refined(hearing, scale, carriers)


def _apart(found: list[tuple[float, Hearing]]) -> list[tuple[float, Hearing]]:
    """Without those that refining would bring to the same pitch as one before."""
    kept: list[tuple[float, Hearing]] = []
    for scale, hearing in found:
        pitch = hearing.pitch / scale
        if all(abs(other.pitch / at / pitch - 1) > SAME for at, other in kept):
            kept.append((scale, hearing))
    return kept


def heard_at(plane: Plane, pitch: float) -> Hearing:
    listened = heard(canvas_of(plane, pitch))
    return Hearing(pitch, listened, _spectrum(listened))


def _coarse(hearing: Hearing, carriers: Carriers) -> list[tuple[float, float]]:
    """The best scale of each twelfth of an octave or so, with its fit."""
    step = 0.9 / max(hearing.plane.shape)  # the outermost wave slips by a fifth of its length
    reach = _HALF_STEP * np.log(2)
    scales = np.exp(np.arange(-reach, reach, step))
    scales = scales[scales * HIGHEST / TILE < 0.45]  # the canvas ends at 0.5
    fits = _fits(_read_off(hearing, scales, carriers.waves[carriers.sync]), carriers)
    parts = np.array_split(np.arange(len(scales)), 6)
    best = [part[fits[part].argmax()] for part in parts]
    return [(float(fits[i]), float(scales[i])) for i in best]


def refined(hearing: Hearing, scale: float, carriers: Carriers) -> Iterator[Trace]:
    """The likeliest scales near by. The finding waves say nearly which; the message's own waves help."""
    near = scale * (1 + np.arange(-12, 13) * 0.25 / max(hearing.plane.shape))
    rough, fits = _turned(_read_off(hearing, near, carriers.waves), carriers, finer=2)
    chances = [_likelihood(row, float(fit), carriers) for row, fit in zip(rough, fits, strict=True)]
    for at in near[np.argsort(chances)[: -FINALISTS - 1 : -1]]:
        waves, fits = _turned(waves_at(hearing.plane, at, carriers)[None], carriers, finer=_FINER)
        yield Trace(hearing.pitch / float(at), float(fits[0]), waves[0])


def _turned(waves: Waves, carriers: Carriers, *, finer: int) -> tuple[Waves, NDArray[np.float64]]:
    """Rows of all waves, each turned to where the tile begins and tempered, and how well that place fits."""
    tamed = tempered(waves)
    sync = tamed[:, carriers.sync]
    strength, place = _places(sync, carriers, finer=finer)
    begin = np.stack(np.divmod(place, finer * TILE)) / (finer * TILE)
    return tamed * np.exp(-2j * np.pi * (carriers.waves @ begin).T), strength / _chance(sync)


def _likelihood(waves: Waves, fit: float, carriers: Carriers) -> float:
    """In the log, over chance: the finding waves fit, and the arms that carry the same sign agree. The
    second counts a quarter, since it is the best of many that hang together."""
    evidence = carriers.evidence(waves / np.maximum(np.abs(waves), 1e-12))
    return fit**2 / 2 + float(evidence @ evidence) / (4 * REPEATS)


def waves_at(plane: Plane, scale: float, carriers: Carriers) -> Waves:
    """The [n] waves of the carriers in `plane`, when its tile is 1 / `scale` as wide as the canvas's."""
    height, width = plane.shape
    reach = int(HIGHEST)
    down = np.outer(np.arange(-reach, reach + 1) * scale / TILE, np.arange(height))
    across = np.outer(np.arange(width), np.arange(reach + 1) * scale / TILE)
    rows = np.exp(-2j * np.pi * down).astype(np.complex64)
    columns = np.exp(-2j * np.pi * across).astype(np.complex64)
    table = (rows.real @ plane + 1j * (rows.imag @ plane)) @ columns
    found = table[carriers.waves[:, 0] + reach, carriers.waves[:, 1]]
    return found.astype(complex) * (2 / plane.size)


def tempered(waves: Waves) -> Waves:
    """None louder than twice the middle one: a wave that is far louder is the picture's own."""
    loud = np.abs(waves)
    ceiling = 2 * np.median(loud, axis=-1, keepdims=True)
    return waves * np.minimum(1, ceiling / np.maximum(loud, 1e-12))


def _fits(sync: Waves, carriers: Carriers) -> NDArray[np.float64]:
    tamed = tempered(sync)
    return _places(tamed, carriers)[0] / _chance(tamed)


def _chance(sync: Waves) -> NDArray[np.float64]:
    """The deviation of `_places`' strength, were the phases chance."""
    return np.sqrt((np.abs(sync) ** 2).sum(axis=1) / 2) + 1e-12


def _places(
    sync: Waves, carriers: Carriers, finer: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each row of sync waves the strength at the best place of the tile, and that place (flat)."""
    side = TILE * finer
    down, across = carriers.waves[carriers.sync].T
    fitted = (sync * carriers.phases[carriers.sync].conj()).conj() / 2
    table = np.zeros((len(sync), side, side // 2 + 1), np.complex64)
    table[:, down % side, across] = fitted
    lone = across == 0  # the transform of a real plane mirrors every other column by itself
    table[:, -down[lone] % side, 0] += fitted[:, lone].conj()
    planes = np.fft.irfft2(table, s=(side, side)).reshape(len(sync), -1) * side**2
    place = planes.argmax(axis=1)
    return planes[np.arange(len(sync)), place], place


def _spectrum(plane: Plane) -> Spectrum:
    """Twice as fine as the plane's own, its phases about the middle, so that it can be read in between."""
    side = -(-2 * max(plane.shape) // 64) * 64
    spectrum = np.fft.rfft2(plane, s=(side, side))
    half_height, half_width = plane.shape[0] / 2, plane.shape[1] / 2
    spectrum *= np.exp(2j * np.pi * np.fft.fftfreq(side) * half_height)[:, None]
    spectrum *= np.exp(2j * np.pi * np.fft.rfftfreq(side) * half_width)
    return spectrum.astype(np.complex64)


def _read_off(hearing: Hearing, scales: NDArray[np.float64], waves: NDArray[np.int64]) -> Waves:
    """[scales, waves] read from the spectrum, linearly between its bins."""
    spectrum = hearing.spectrum
    side = len(spectrum)
    bins = scales[:, None, None] * waves * (side / TILE)
    whole = np.floor(bins).astype(np.int64)
    part = bins - whole
    (top, left), (down, across) = np.moveaxis(whole, -1, 0), np.moveaxis(part, -1, 0)
    below = (top + 1) % side
    upper = (1 - across) * spectrum[top % side, left] + across * spectrum[top % side, left + 1]
    lower = (1 - across) * spectrum[below, left] + across * spectrum[below, left + 1]
    return (1 - down) * upper + down * lower
