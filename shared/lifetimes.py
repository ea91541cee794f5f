"""What an account drew and used in all its time, and what of it waits, by speed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import bindparam, func, select

from shared.connections import Session
from shared.jobs import JobState
from shared.plans import Speed
from shared.tables import jobs


@dataclass(frozen=True, slots=True)
class Used:
    """`pictures` that were delivered and `gpu_ms` that they took; `waiting` and `running` jobs now."""

    pictures: int = 0
    gpu_ms: int = 0
    waiting: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Lifetime:
    by_speed: Mapping[Speed, Used] = field(default_factory=dict)

    def of(self, *speeds: Speed) -> Used:
        """Of these together; without any, of all."""
        chosen = [self.by_speed.get(speed, Used()) for speed in speeds or Speed]
        return Used(
            sum(one.pictures for one in chosen),
            sum(one.gpu_ms for one in chosen),
            sum(one.waiting for one in chosen),
            sum(one.running for one in chosen),
        )


async def lifetime(session: Session, account_id: UUID) -> Lifetime:
    rows = await session.execute(_BY_SPEED, {"of": account_id})
    return Lifetime({Speed(speed): Used(*map(int, rest)) for speed, *rest in rows})


_done = jobs.c.state == JobState.SUCCEEDED
_BY_SPEED = (
    select(
        jobs.c.speed,
        func.coalesce(func.sum(jobs.c.spec["images"].as_integer()).filter(_done), 0),
        func.coalesce(func.sum(jobs.c.gpu_ms), 0),
        func.count().filter(jobs.c.state == JobState.WAITING),
        func.count().filter(jobs.c.state.in_((JobState.DISPATCHED, JobState.RUNNING))),
    )
    .where(jobs.c.account_id == bindparam("of"))
    .group_by(jobs.c.speed)
)
