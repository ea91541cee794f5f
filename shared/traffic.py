"""How busy the farm is: jobs by speed, GPUs, and on how many of them a checkpoint is at hand. No name in it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shared.connections import Session
from shared.joblists import queue_counts
from shared.jobs import JobState
from shared.plans import Speed
from shared.workers import live_workers


@dataclass(frozen=True, slots=True)
class Traffic:
    """A dispatched job counts as running. `workers` take jobs; `draining` ones only end what they have.
    `slots` are jobs that fit at once, `busy` of them taken; `warm` is of how many workers, by checkpoint."""

    waiting: Mapping[Speed, int]
    running: Mapping[Speed, int]
    workers: int
    draining: int
    slots: int
    busy: int
    warm: Mapping[str, int]


async def traffic(session: Session, silent_s: float) -> Traffic:
    counts = await queue_counts(session)
    every = await live_workers(session, silent_s)
    taking = [one for one in every if not one.draining]
    return Traffic(
        waiting=_by_speed(counts, JobState.WAITING),
        running=_by_speed(counts, JobState.DISPATCHED, JobState.RUNNING),
        workers=len(taking),
        draining=len(every) - len(taking),
        slots=sum(one.slots for one in taking),
        busy=sum(one.jobs for one in taking),
        warm=Counter(name for one in taking for name in one.checkpoints),
    )


def _by_speed(counts: Mapping[tuple[JobState, Speed], int], *states: JobState) -> dict[Speed, int]:
    return {speed: sum(counts.get((state, speed), 0) for state in states) for speed in Speed}
