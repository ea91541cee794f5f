"""What every waiting job may know: its place, when its picture is due, and why it waits. Pure.

The future is played on a twin of the scheduler, so that what people are told is what will be done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from uuid import UUID

from farm.scheduler import Scheduler, Worker

# Places further back are not played out: the person reads "behind more than ...".
HORIZON = 500
_ANYONE = Worker(name="anyone", slots=1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`position` counts from 1 and `eta_s` is seconds until the picture; None where nobody can say."""

    job_id: UUID
    position: int | None
    eta_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Turn:
    job_id: UUID
    checkpoint: str
    due: float


def forecast(
    scheduler: Scheduler, workers: Sequence[Worker], *, now: float, pace: float = 1.0
) -> list[Outlook]:
    """One Outlook for each waiting job, next one first. `pace` is measured time over estimated."""
    up = [worker for worker in workers if not worker.draining]
    slots = sum(worker.slots for worker in up)
    # Slots share a GPU: a job in one of n slots takes n times as long as alone.
    stretch = pace * slots / max(len(up), 1)
    turns = _play(scheduler.copy(), slots=max(slots, 1), stretch=stretch, now=now)
    outlooks = [
        Outlook(
            job_id=turn.job_id,
            position=position,
            eta_s=round(turn.due - now, 1) if up else None,
            reason=_reason(scheduler, turn, up=up, position=position),
        )
        for position, turn in enumerate(turns, 1)
    ]
    return outlooks + _too_far(scheduler, {turn.job_id for turn in turns}, up=up)


def _play(trial: Scheduler, *, slots: int, stretch: float, now: float) -> list[_Turn]:
    ends = [
        (max(now, running.since + running.cost_ms / 1000 * stretch), number, job_id)
        for number, (job_id, running) in enumerate(trial.running.items())
    ]
    heapify(ends)
    turns: list[_Turn] = []
    clock = now
    while trial.waiting and len(turns) < HORIZON:
        waiting = trial.pop(_ANYONE, clock) if len(ends) < slots else None
        if waiting is None and not ends:
            break
        if waiting is None:
            clock, _, ended = heappop(ends)
            trial.ended(ended, clock)
            continue
        due = clock + waiting.cost_ms / 1000 * stretch
        heappush(ends, (due, len(trial.running) + len(turns), waiting.job_id))
        turns.append(_Turn(waiting.job_id, waiting.checkpoint, due))
    return turns


def _reason(scheduler: Scheduler, turn: _Turn, *, up: list[Worker], position: int) -> str:
    if not up:
        return "no GPU is up"
    cap = scheduler.cap_reached(scheduler.waiting[turn.job_id].account_id)
    if cap is not None:
        return f"your own cap of {cap} running job{'s' if cap > 1 else ''}"
    if not any(turn.checkpoint in worker.checkpoints for worker in up):
        return "the model is loading"
    if position == 1:
        return "next in line"
    return f"behind {position - 1} job{'s' if position > 2 else ''}"


def _too_far(scheduler: Scheduler, told: set[UUID], *, up: list[Worker]) -> list[Outlook]:
    reason = f"behind more than {HORIZON} jobs" if up else "no GPU is up"
    return [
        Outlook(job_id=job_id, position=None, eta_s=None, reason=reason)
        for job_id in scheduler.waiting
        if job_id not in told
    ]
