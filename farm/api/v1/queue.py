"""The line: where one's own jobs stand in it, and how busy the farm is."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Reader
from farm.api.problems import refusals
from farm.api.services import Services
from shared.admission import Prospects
from shared.jobs import Job, JobKind
from shared.plans import Speed
from shared.traffic import Traffic


class QueuedJob(BaseModel):
    """A job that is not finished. Who foresees nothing says null: the farm was just started, or is away."""

    job: UUID
    kind: JobKind = Field(examples=["imagine"])
    state: Literal["waiting", "dispatched", "running"] = Field(examples=["waiting"])
    speed: Speed = Field(examples=["fast"])
    prompt: str = Field(examples=["a red sailboat on the sea"])
    submitted_at: datetime
    position: int | None = Field(examples=[3], description="From 1, among all that wait.")
    start_s: float | None = Field(examples=[12.5], description="Until a GPU takes it on.")
    eta_s: float | None = Field(examples=[20.0], description="Until its pictures.")
    eta_low_s: float | None = Field(examples=[15.0])
    eta_high_s: float | None = Field(examples=[40.0])
    reason: str | None = Field(examples=["2 jobs are ahead"], description="Why it waits.")


class Farm(BaseModel):
    """Numbers alone; whose jobs these are, nobody is told."""

    waiting: dict[Speed, int] = Field(examples=[{"turbo": 0, "fast": 2, "relax": 5}])
    running: dict[Speed, int] = Field(examples=[{"turbo": 1, "fast": 3, "relax": 0}])
    workers: int = Field(examples=[2], description="GPUs that take jobs.")
    draining: int = Field(examples=[0], description="GPUs that only end what they have.")
    slots: int = Field(examples=[8], description="Jobs that fit on them at once.")
    busy: int = Field(examples=[4])


class Queue(BaseModel):
    object: Literal["queue"] = "queue"
    data: list[QueuedJob] = Field(description="Your own, the oldest first.")
    waiting: int = Field(examples=[1])
    running: int = Field(examples=[0])
    max_waiting: int = Field(examples=[3], description="On your plan.")
    max_running: int = Field(examples=[1])
    farm: Farm


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/queue", tags=["Jobs"], responses=refusals())

    @router.get(
        "", summary="Your jobs in line, with position, time and reason; and the farm's load"
    )
    async def get_queue(who: Reader) -> Queue:
        mine = await services.desk.prospects(who.person)
        busy = await services.desk.traffic(silent_s=services.settings.farm.worker_silent_s)
        return Queue(
            data=[_queued(job, mine) for job in mine.jobs],
            waiting=mine.waiting,
            running=mine.running,
            max_waiting=mine.plan.max_waiting,
            max_running=mine.plan.max_running,
            farm=_farm(busy),
        )

    return router


def _queued(job: Job, mine: Prospects) -> QueuedJob:
    told = mine.outlook(job)
    times = ("position", "start_s", "eta_s", "eta_low_s", "eta_high_s", "reason")
    return QueuedJob(
        job=job.id,
        kind=job.kind,
        state=job.state.value,  # type: ignore[arg-type]
        speed=job.speed,
        prompt=job.prompt,
        submitted_at=job.submitted_at,
        **{name: getattr(told, name, None) for name in times},
    )


def _farm(busy: Traffic) -> Farm:
    names = ("workers", "draining", "slots", "busy")
    counts = {name: getattr(busy, name) for name in names}
    return Farm(waiting=dict(busy.waiting), running=dict(busy.running), **counts)
