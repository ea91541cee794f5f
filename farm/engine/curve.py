"""What a forward of so many rows costs, measured as they run; and how many rows are worth their wait.

Pure. More rows make a forward longer for everybody in it; they are worth it while the time per row
still falls. Where it no longer does (large latents, a CPU's cores all busy), a longer forward only
makes a newcomer wait.
"""

from dataclasses import dataclass, field

WEIGHT = 0.2  # of the newest measurement: forwards beside a busy neighbour are noisy
ENOUGH = 4  # measurements of a size before it is believed
WORTH_IT = 0.97  # a row must get this much cheaper for twice as many of them
LEAST = 4  # rows: two guided pictures; below it a cap saves nothing


@dataclass(slots=True)
class Size:
    """Forwards of more than half `rows` and at most `rows` rows: their cost for each row."""

    ms_per_row: float = 0.0
    seen: int = 0

    def saw(self, ms_per_row: float) -> None:
        self.seen += 1
        weight = max(WEIGHT, 1 / self.seen)
        self.ms_per_row += weight * (ms_per_row - self.ms_per_row)


@dataclass(slots=True)
class Curve:
    """Of one group of trajectories. `bytes_per_row` is the memory that one more row took, at most."""

    sizes: dict[int, Size] = field(default_factory=dict)
    bytes_per_row: float = 0.0

    def saw(self, rows: int, ms: float, *, extra_bytes: int = 0) -> None:
        self.sizes.setdefault(bucket(rows), Size()).saw(ms / rows)
        self.bytes_per_row = max(self.bytes_per_row, extra_bytes / rows)

    def cap(self, most: int, *, free_bytes: int | None = None) -> int:
        """Rows for the next forward: never over `most`, nor over what the free memory holds."""
        worth = next((size for size in sorted(self.sizes) if self._flat_after(size)), most)
        cap = min(most, max(LEAST, worth))
        if free_bytes is not None and self.bytes_per_row > 0:
            cap = min(cap, int(free_bytes / self.bytes_per_row))
        return max(1, cap)

    def cost(self, rows: int) -> float:
        """Milliseconds, from the nearest size that was measured; a row's worth before any was."""
        if not self.sizes:
            return float(rows)
        wanted = bucket(rows)
        nearest = min(self.sizes, key=lambda size: abs(size.bit_length() - wanted.bit_length()))
        return self.sizes[nearest].ms_per_row * rows

    def _flat_after(self, size: int) -> bool:
        here, twice = self.sizes[size], self.sizes.get(2 * size)
        if twice is None or min(here.seen, twice.seen) < ENOUGH:
            return False
        return twice.ms_per_row > WORTH_IT * here.ms_per_row


def bucket(rows: int) -> int:
    """The power of two that holds so many rows."""
    return 1 << max(0, rows - 1).bit_length()
