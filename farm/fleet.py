"""The GPUs that are alive, and which of them takes a job."""

from collections.abc import Iterable
from dataclasses import replace

from farm.scheduler import Worker
from shared.connections import Session
from shared.workers import live_workers

# How much one finished job moves the farm's measured pace.
PACE_STEP = 0.1


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

    def roomiest(self) -> Worker | None:
        """The least loaded worker that has a free slot."""
        return min((worker for worker in self.workers if worker.free), key=_load, default=None)

    def choose(self, checkpoint: str) -> Worker | None:
        """A worker that has the checkpoint warm, else the least loaded: cold jobs run as well."""
        warm = [
            worker for worker in self.workers if worker.free and checkpoint in worker.checkpoints
        ]
        return min(warm, key=_load, default=None) or self.roomiest()

    def take(self, name: str) -> None:
        worker = self._workers[name]
        self._workers[name] = replace(worker, busy=worker.busy + 1)


class Pace:
    """Measured time over estimated time of finished jobs, smoothed: what turns costs into ETAs."""

    def __init__(self) -> None:
        self.value = 1.0

    def observe(self, *, took_s: float, expected_s: float) -> None:
        # One job that stood still for an hour must not move everybody's ETA by that.
        ratio = min(max(took_s / max(expected_s, 0.001), 0.05), 20.0)
        self.value += PACE_STEP * (ratio - self.value)


async def read_fleet(session: Session, *, silent_s: float) -> Fleet:
    rows = await live_workers(session, silent_s)
    return Fleet(
        Worker(
            name=row.name,
            slots=row.slots,
            busy=row.jobs,
            checkpoints=frozenset(row.checkpoints),
            draining=row.draining,
        )
        for row in rows
    )


def _load(worker: Worker) -> tuple[float, str]:
    return worker.busy / worker.slots, worker.name
