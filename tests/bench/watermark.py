"""What the invisible mark survives: pictures of five kinds, each marked, attacked, read without the original.

`python -m tests.bench.watermark [n] [seed] [sizes]` prints the table of docs/safety.md: how many of n were
read with the right job (and whether any was read as another's), with Wilson's 95% interval; then the PSNR,
the pictures without a mark that were read as if they had one, and the time beside a WebP's.
"""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from time import process_time

import numpy as np

from farm.pictures import webp
from farm.safety.watermark import embed, read
from tests.bench.processes import headline
from tests.bench.wear import ATTACKS, KINDS, Pixels, cropped, image_of, picture

KEY = b"the key of this bench"
SIZES = (512, 768, 1024)
UNMARKED, FOREIGN = 2_000, 100
CHUNK = 5  # pictures, one of each kind


@dataclass
class Tally:
    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    levels: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "Tally") -> None:
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed
        for kind, levels in other.levels.items():
            self.levels[kind] += levels


def main(n: int = 100, seed: int = 7, sizes: Sequence[int] = SIZES) -> None:
    print(headline(n=n, seed=seed))
    for size in sizes:
        survival(n, seed, size)
    doubts(seed)
    for size in sizes:
        print(_costs(size, seed))


def survival(n: int, seed: int, size: int, workers: int | None = None) -> None:
    total = Tally()
    starts = range(0, n, CHUNK)
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        for part in pool.map(_tally, [seed] * len(starts), [size] * len(starts), starts):
            total.add(part)
    report(total, n, size)


def report(total: Tally, n: int, size: int) -> None:
    print(f"\n### {size} px, n {n}\n")
    for name in ATTACKS:
        lost = ", ".join(
            f"{kind} {total.missed[name, kind]}" for kind in KINDS if total.missed[name, kind]
        )
        print(f"| {name} | {total.right[name]} | {_interval(total.right[name], n)} | {lost} |")
    print(f"\nread as another job: {total.wrong.total()}\n")
    for kind, values in total.levels.items():
        print(f"PSNR of {kind}: least {min(values):.1f}, median {median(values):.1f} dB")


def _tally(seed: int, size: int, start: int) -> Tally:
    tally = Tally()
    for index in range(start, start + CHUNK):
        rng = np.random.default_rng([seed, size, index])
        kind, code = KINDS[index % len(KINDS)], int(rng.integers(1 << 63))
        plain = picture(kind, rng, size)
        marked = embed(plain, code, key=KEY)
        tally.levels[kind].append(_psnr(plain, marked))
        for name, attack in ATTACKS.items():
            reading = read(attack(marked, rng), key=KEY)
            if reading is None:
                tally.missed[name, kind] += 1
            else:
                (tally.right if reading.code == code else tally.wrong)[name] += 1
    return tally


def doubts(seed: int, workers: int | None = None) -> None:
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        unmarked = sum(pool.map(_is_misread, _seeds(seed, 1, UNMARKED), chunksize=20))
        foreign = sum(pool.map(_is_poached, _seeds(seed, 2, FOREIGN), chunksize=5))
    print(f"\nread though unmarked: {unmarked} of {UNMARKED}")
    print(f"read with another key: {foreign} of {FOREIGN}")


def _seeds(seed: int, part: int, count: int) -> Iterable[tuple[int, int, int]]:
    return ((seed, part, index) for index in range(count))


def _is_misread(seed: tuple[int, int, int]) -> bool:
    """A picture, or a piece of one, that nobody marked."""
    rng = np.random.default_rng(seed)
    plain = picture(KINDS[seed[-1] % len(KINDS)], rng, int(rng.integers(256, 640)))
    return read(cropped(plain, rng, float(rng.uniform(0, 0.3))), key=KEY) is not None


def _is_poached(seed: tuple[int, int, int]) -> bool:
    rng = np.random.default_rng(seed)
    marked = embed(picture(KINDS[seed[-1] % len(KINDS)], rng, 512), 1, key=b"another farm")
    return read(marked, key=KEY) is not None


def _costs(size: int, seed: int) -> str:
    rng = np.random.default_rng([seed, 3])
    plain = [picture(kind, rng, size) for kind in KINDS]
    encode = _cost(lambda rgb: webp(image_of(rgb), exact=False), plain)
    embedding = _cost(lambda rgb: embed(rgb, 1, key=KEY), plain)
    marked = [embed(rgb, 1, key=KEY) for rgb in plain]
    reading = _cost(lambda rgb: read(rgb, key=KEY), marked)
    searching = _cost(lambda rgb: read(rgb, key=KEY), plain)
    return (
        f"{size} px, times a WebP of quality 90 ({encode * 1e3:.0f} ms): embed {embedding / encode:.1f}, "
        f"read {reading / encode:.1f}, find nothing {searching / encode:.1f}"
    )


def _cost(work: Callable[[Pixels], object], pictures: Sequence[Pixels]) -> float:
    """Processor seconds, the median picture of three turns."""
    times = []
    for rgb in [*pictures, *pictures, *pictures]:
        start = process_time()
        work(rgb)
        times.append(process_time() - start)
    return median(times)


def _psnr(one: Pixels, other: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def _interval(right: int, n: int, z: float = 1.96) -> str:
    share, spread = right / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / n + spread / 4 / n))
    return f"{middle - half:.3f} to {middle + half:.3f}"


if __name__ == "__main__":
    given = [int(value) for value in sys.argv[1:]]
    n, seed, *sizes = [*given, *(100, 7)[len(given) :]]
    main(n, seed, sizes or SIZES)
