"""The GPUs that are alive, what was sent to them since the last look, and how fast they really are."""

from collections.abc import Iterable

from farm.placement import Worker
from farm.scheduler import Pick
from shared.connections import Session
from shared.workers import live_workers

# How much one finished job moves the farm's measured pace, and how far off it may be.
PACE_STEP = 0.1
FIRST_SPREAD = 0.5


class Fleet:
    """The live workers of one look; `take` counts what was sent since."""

    def __init__(self, workers: Iterable[Worker] = ()) -> None:
        self._workers = {worker.name: worker for worker in workers}

    @property
    def workers(self) -> list[Worker]:
        return list(self._workers.values())

    @property
    def stretch(self) -> float:
        """Slots share a GPU: a job in one of n slots takes up to n times as long as alone."""
        up = [worker for worker in self.workers if not worker.draining]
        return sum(worker.slots for worker in up) / len(up) if up else 1.0

    def take(self, pick: Pick) -> None:
        self._workers[pick.worker] = self._workers[pick.worker].with_job(pick.waiting.kind)


class Pace:
    """Measured time over estimated time of finished jobs, smoothed: what turns costs into ETAs.

    `spread` is how far single jobs lie from it, as a part of it.
    """

    def __init__(self) -> None:
        self.value = 1.0
        self.spread = FIRST_SPREAD

    def observe(self, *, took_s: float, expected_s: float) -> None:
        # One job that stood still for an hour must not move everybody's ETA by that.
        ratio = min(max(took_s / max(expected_s, 0.001), 0.05), 20.0)
        off = abs(ratio - self.value) / self.value
        self.spread += PACE_STEP * (min(off, 2.0) - self.spread)
        self.value += PACE_STEP * (ratio - self.value)


async def read_fleet(session: Session, *, silent_s: float) -> Fleet:
    rows = await live_workers(session, silent_s)
    return Fleet(
        Worker(
            name=row.name,
            slots=row.slots,
            busy=row.busy,
            checkpoints=frozenset(row.checkpoints),
            draining=row.draining,
            vram_bytes=row.vram_bytes,
            free_bytes=row.free_bytes,
            alone=row.alone,
        )
        for row in rows
    )
