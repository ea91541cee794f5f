"""What the fair queue is told of a job, and what it answers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from farm.placement import Kind
from shared.plans import Speed

NO_CAP = 2**31


@dataclass(frozen=True, slots=True)
class Rules:
    """Shares of lanes; the part of the farm that relax keeps whatever they are; slots kept for a speed."""

    weights: Mapping[Speed, int]
    relax_floor: float = 0.05
    reserved: Mapping[Speed, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`cost_ms` is estimated GPU-milliseconds; `submitted_at` is seconds on the database's clock.

    `vram_bytes`: what its checkpoint needs, 0 if nobody knows. `alone`: it takes no company.
    `max_running` counts all of the account's, `max_running_relax` those at relax among them.
    """

    job_id: UUID
    account_id: UUID
    lane: Speed
    plan_weight: int
    max_running: int
    cost_ms: int
    submitted_at: float
    checkpoint: str
    vram_bytes: int = 0
    alone: bool = False
    max_running_relax: int = NO_CAP

    @property
    def kind(self) -> Kind:
        return Kind(self.checkpoint, self.vram_bytes, self.alone, self.lane)


@dataclass(frozen=True, slots=True)
class Served:
    """How a job was charged in virtual time, for the correction when it has ended: its account in the
    lane where it waited, and the lane that it paid for."""

    lane: Speed
    paid: Speed
    plan_weight: int
    lane_weight: float


@dataclass(frozen=True, slots=True)
class Running:
    """A job that holds a slot, dispatched or rendering, `since` then. Of the leader before: not `served`."""

    account_id: UUID
    cost_ms: int
    since: float
    speed: Speed = Speed.FAST
    worker: str = ""
    served: Served | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    waiting: Waiting
    worker: str
