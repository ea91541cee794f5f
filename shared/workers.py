"""The heartbeats of the GPU workers. A row says who is there; silence says who is not."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared.connections import Session
from shared.tables import jobs, workers


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """`busy` counts the jobs that are dispatched to it or running on it."""

    name: str
    device: str
    slots: int
    checkpoints: tuple[str, ...]
    draining: bool
    busy: int


async def heartbeat(
    session: Session,
    name: str,
    device: str,
    slots: int,
    checkpoints: Sequence[str],
    draining: bool,
) -> None:
    values = {
        "device": device,
        "slots": slots,
        "checkpoints": list(checkpoints),
        "draining": draining,
        "seen_at": func.clock_timestamp(),
    }
    statement = insert_row(workers).values(name=name, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


async def live_workers(session: Session, silent_s: float) -> list[WorkerRow]:
    """Those seen in the last `silent_s` seconds, by name."""
    busy = (
        select(func.count())
        .where(
            jobs.c.finished_at.is_(None),  # lets the partial index of open jobs serve
            jobs.c.worker == workers.c.name,
            jobs.c.state.in_(("dispatched", "running")),
        )
        .scalar_subquery()
    )
    patience = func.make_interval(0, 0, 0, 0, 0, 0, literal(float(silent_s)))
    query = (
        select(workers, busy.label("busy"))
        .where(workers.c.seen_at > func.clock_timestamp() - patience)
        .order_by(workers.c.name)
    )
    return [
        WorkerRow(
            name=row.name,
            device=row.device,
            slots=row.slots,
            checkpoints=tuple(row.checkpoints),
            draining=row.draining,
            busy=row.busy,
        )
        for row in await session.execute(query)
    ]


async def forget_worker(session: Session, name: str) -> None:
    """It left on purpose: nobody need wait for its silence."""
    await session.execute(delete(workers).where(workers.c.name == name))
