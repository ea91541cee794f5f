"""Jobs for the fair queue, and workers that always have room for one more."""

from collections.abc import Iterator
from itertools import count
from uuid import UUID

from farm.scheduler import Rules, Scheduler, Waiting, Worker
from shared.plans import Speed

WEIGHTS = {Speed.TURBO: 10, Speed.FAST: 5, Speed.RELAX: 1}
RULES = Rules(WEIGHTS)
ROOM = [Worker("gpu", slots=10**9, checkpoints=frozenset({"postcards"}))]
NO_CAP = 10**9


def someone(number: int) -> UUID:
    return UUID(int=number)


_ids = count(10**6)


def a_job(
    account: int = 1,
    lane: Speed = Speed.FAST,
    *,
    cost: int = 1000,
    weight: int = 1,
    cap: int = NO_CAP,
    at: float = 0.0,
    job_id: UUID | None = None,
    checkpoint: str = "postcards",
    vram_bytes: int = 0,
    alone: bool = False,
) -> Waiting:
    return Waiting(
        job_id=job_id or UUID(int=next(_ids)),
        account_id=someone(account),
        lane=lane,
        plan_weight=weight,
        max_running=cap,
        cost_ms=cost,
        submitted_at=at,
        checkpoint=checkpoint,
        vram_bytes=vram_bytes,
        alone=alone,
    )


def popped(scheduler: Scheduler, now: float = 0.0) -> Waiting | None:
    """Where there is always room."""
    pick = scheduler.pop(ROOM, now)
    return pick.waiting if pick else None


def drained(scheduler: Scheduler, *, now: float = 0.0) -> Iterator[Waiting]:
    """Pops as one slot would: each job ends before the next begins."""
    while (waiting := popped(scheduler, now)) is not None:
        scheduler.ended(waiting.job_id, now)
        yield waiting
