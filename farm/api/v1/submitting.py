"""From an ask to its answer: at the desk, waited for if that is wanted, told as jobs."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fastapi import Response
from pydantic import Field

from farm.api.principals import Principal
from farm.api.services import Services
from farm.api.v1.predictions import Prediction, predictions
from farm.api.v1.terms import Terms
from shared.errors import Fault
from shared.jobs import Job
from shared.orders import Ask, Receipt


class Accepted(Prediction):
    """The job; `more` are the others of the same prompt (`repeat`, or choices in braces)."""

    more: list[Prediction] = Field(default_factory=list, examples=[[]])
    notices: list[str] = Field(
        default_factory=list, examples=[[]], description="What is not quite as asked for."
    )


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Accepted, "description": "Asked for before: the jobs of then, and nothing new"},
    202: {"model": Accepted, "description": "Accepted, and not finished within the wait"},
}


async def submitted(
    services: Services, who: Principal, ask: Ask, terms: Terms, response: Response
) -> Accepted:
    """Status 201 for what is new, 202 where the wait was too short for it, 200 for what was made before."""
    receipt = await services.desk.ask(ask)
    jobs = receipt.jobs
    if terms.wait_s is not None:
        jobs = await finished(services, who, jobs, within_s=terms.wait_s)
        response.headers["Preference-Applied"] = f"wait={terms.wait_s:.0f}"
    first, *more = await predictions(services, jobs, reused=receipt.reused)
    response.status_code = _status(receipt, jobs, terms)
    response.headers["Location"] = first.urls.get
    if not receipt.created and not receipt.reused:
        response.headers["Idempotent-Replayed"] = "true"
    return Accepted(**dict(first), more=more, notices=list(receipt.notices))


async def finished(
    services: Services, who: Principal, jobs: Sequence[Job], *, within_s: float
) -> tuple[Job, ...]:
    """The jobs as they are once all have ended, or when so many seconds are over."""
    with suppress(TimeoutError, Fault):
        async with asyncio.timeout(within_s):
            for job in jobs:
                await _end_of(services, job)
    return tuple([await services.desk.job(who.person, job.id) for job in jobs])


async def _end_of(services: Services, job: Job) -> None:
    if not job.state.terminal:
        async for _ in services.following.events(job.id):
            pass


def _status(receipt: Receipt, jobs: Sequence[Job], terms: Terms) -> int:
    if terms.wait_s is not None and not all(job.state.terminal for job in jobs):
        return 202
    return 201 if receipt.created else 200
