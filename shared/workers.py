"""The heartbeats of the GPU workers. A row says who is there; silence says who is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Float, and_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.plans import ALONE_FROM, Speed
from shared.tables import jobs, workers


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """`busy` counts the jobs that are dispatched to it or running on it, by speed; `alone` says that
    one of them must have it to itself. `vram_bytes` is what checkpoints may take on its device and
    `free_bytes` what of that nobody uses; 0 where it is not known."""

    name: str
    device: str
    slots: int
    checkpoints: tuple[str, ...]
    draining: bool
    busy: Mapping[Speed, int]
    alone: bool = False
    vram_bytes: int = 0
    free_bytes: int = 0

    @property
    def jobs(self) -> int:
        return sum(self.busy.values())


async def heartbeat(
    session: Session,
    name: str,
    device: str,
    slots: int,
    checkpoints: Sequence[str],
    draining: bool,
    *,
    vram_bytes: int = 0,
    free_bytes: int = 0,
) -> None:
    values = {
        "device": device,
        "slots": slots,
        "checkpoints": list(checkpoints),
        "draining": draining,
        "vram_bytes": vram_bytes,
        "free_bytes": free_bytes,
        "seen_at": func.clock_timestamp(),
    }
    statement = insert_row(workers).values(name=name, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


@dataclass(frozen=True, slots=True)
class Memory:
    """What checkpoints may take on a worker's device, in bytes; 0 where it is not known."""

    device: str
    vram_bytes: int


async def memories(session: Session, within_s: float) -> list[Memory]:
    """Of the workers that were seen in the last `within_s` seconds, also of those that just restart."""
    rows = await session.execute(_MEMORIES, {"within_s": within_s})
    return [Memory(*row) for row in rows]


async def live_workers(session: Session, silent_s: float) -> list[WorkerRow]:
    """Those seen in the last `silent_s` seconds, by name."""
    found = await session.execute(_LIVE_WORKERS, {"within_s": silent_s})
    rows = groupby(found, key=lambda row: row.name)
    return [_worker(list(of_one)) for _, of_one in rows]


async def silences(session: Session) -> dict[str, float]:
    """Seconds since each worker was last seen, by name."""
    silence = func.extract("epoch", func.clock_timestamp() - workers.c.seen_at)
    rows = await session.execute(select(workers.c.name, silence))
    return {name: float(seconds) for name, seconds in rows}


_HOLDS = and_(
    jobs.c.worker == workers.c.name,
    jobs.c.finished_at.is_(None),  # lets the partial index of open jobs serve
    jobs.c.state.in_(("dispatched", "running")),
)
_ALONE = func.coalesce(func.bool_or(jobs.c.crashes >= ALONE_FROM), False)
_WITHIN = func.make_interval(0, 0, 0, 0, 0, 0, bindparam("within_s", type_=Float()))
_SEEN = workers.c.seen_at > func.clock_timestamp() - _WITHIN
_MEMORIES = select(workers.c.device, workers.c.vram_bytes).where(_SEEN)
_LIVE_WORKERS = (
    select(workers, jobs.c.speed, func.count(jobs.c.id).label("count"), _ALONE.label("alone"))
    .join_from(workers, jobs, _HOLDS, isouter=True)
    .where(_SEEN)
    .group_by(workers.c.name, jobs.c.speed)
    .order_by(workers.c.name)
)


def _worker(rows: list[Any]) -> WorkerRow:
    """One row for each speed that it is busy with, or one without any."""
    first = rows[0]
    return WorkerRow(
        name=first.name,
        device=first.device,
        slots=first.slots,
        checkpoints=tuple(first.checkpoints),
        draining=first.draining,
        busy={Speed(row.speed): row.count for row in rows if row.speed},
        alone=any(row.alone for row in rows),
        vram_bytes=first.vram_bytes,
        free_bytes=first.free_bytes,
    )


async def forget_worker(session: Session, name: str) -> None:
    """It left on purpose: nobody need wait for its silence."""
    await session.execute(delete(workers).where(workers.c.name == name))
