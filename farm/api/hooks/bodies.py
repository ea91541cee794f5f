"""What each dialect tells of a job. It is written at the moment of sending: links are fresh, and what was
withdrawn since is not in it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from farm.api.hooks.letters import envelope
from farm.api.mj.telling import told_of_job
from farm.api.services import Services
from farm.api.v1.predictions import prediction
from shared import joblists
from shared.errors import Fault
from shared.hookdeliveries import Claim
from shared.hooks import PING
from shared.jobs import Job

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


async def _prediction(services: Services, claim: Claim, job: Job) -> Any:
    return envelope(claim, (await prediction(services, job)).model_dump(mode="json"))


async def _task(services: Services, claim: Claim, job: Job) -> Any:
    """As the proxy's clients read it: the task, bare. None for a job that is no task's."""
    return await told_of_job(services, job)


BODIES: Mapping[str, Body] = {"pictor": _prediction, "mj": _task}
