"""What each dialect tells of a job. It is written at the moment of sending, so links are fresh, and what was
withdrawn since is not in it; but an event tells the job as it left it, however late it is sent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from farm.api.hooks.letters import envelope
from farm.api.mj.telling import told_of_job
from farm.api.services import Services
from farm.api.v1.predictions import prediction
from shared import joblists
from shared.errors import Fault
from shared.hookdeliveries import Claim
from shared.hooks import PING, HookEvent
from shared.jobs import Job, JobState

# What nobody knows of a job that has not ended.
OPEN: Mapping[str, Any] = {
    "finished_at": None,
    "gpu_ms": None,
    "charged_ms": None,
    "timings": {},
    "error_code": None,
    "error_sentence": None,
}
Body = Callable[[Services, Claim, Job], Awaitable[Any]]


async def body_of(services: Services, claim: Claim) -> Any:
    """Something that JSON can hold; None where there is nothing to tell. Fault `no_job`."""
    if claim.event == PING or claim.job_id is None:
        return envelope(claim, {"webhook_id": str(claim.webhook_id)})
    async with services.database.read() as session:
        job = await joblists.load(session, claim.job_id)
    if job is None:
        raise Fault("no_job", "The job that this tells of is gone.")
    return await BODIES[claim.dialect](services, claim, job)


def as_told(job: Job, event: str) -> Job:
    """As this event left it: what came later, the next one tells. Pure."""
    if event == HookEvent.WAITING:
        return replace(job, state=JobState.WAITING, started_at=None, **OPEN)
    if event == HookEvent.STARTED:
        return replace(job, state=JobState.RUNNING, **OPEN)
    return job


async def _prediction(services: Services, claim: Claim, job: Job) -> Any:
    told = await prediction(services, as_told(job, claim.event))
    if told.state is not JobState.SUCCEEDED:
        told = told.model_copy(update={"output": [], "grid": None})
    return envelope(claim, told.model_dump(mode="json"))


async def _task(services: Services, claim: Claim, job: Job) -> Any:
    """As the proxy's clients read it: the task as it is now, bare. None for a job that is no task's."""
    return await told_of_job(services, job)


BODIES: Mapping[str, Body] = {"pictor": _prediction, "mj": _task}
