"""Jobs: made of a prompt, looked at, listed, cancelled."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Drawer, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.cursors import read_cursor, write_cursor
from farm.api.v1.fields import Line
from farm.api.v1.inputs import JobInput, imagined
from farm.api.v1.predictions import Prediction, prediction, predictions
from farm.api.v1.submitting import ANSWERS, Accepted, submitted
from farm.api.v1.terms import Termed
from shared.jobs import JobKind, JobState


class Jobs(BaseModel):
    """A page of jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[Prediction]
    next_cursor: str | None = Field(
        default=None, examples=[None], description="Null on the last page."
    )


class Listing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search: Line = Field(default="", description="Words of the prompt, or a job's first digits.")
    state: JobState | None = None
    kind: JobKind | None = None
    cursor: Line | None = None
    limit: int = Field(default=20, ge=1, le=100)


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/jobs", tags=["Jobs"], responses=refusals(402, 404, 409, 413))

    @router.post("", status_code=201, summary="Draw a prompt", responses=ANSWERS)
    async def create_job(
        who: Drawer, asked: JobInput, terms: Termed, response: Response
    ) -> Accepted:
        """Four pictures of words, or of words and pictures. The price is held, and what was measured is
        charged; what fails costs nothing."""
        ask = await imagined(services, who, asked, terms)
        return await submitted(services, who, ask, terms, response)

    @router.get("", summary="Your jobs")
    async def list_jobs(who: Reader, wanted: Annotated[Listing, Query()]) -> Jobs:
        """The newest first, whatever became of them."""
        found = await services.desk.listed(
            who.person,
            wanted.search,
            state=wanted.state,
            kind=wanted.kind,
            after=read_cursor(wanted.cursor),
            limit=wanted.limit + 1,
        )
        page = found[: wanted.limit]
        more = write_cursor(page[-1]) if len(found) > len(page) else None
        return Jobs(data=await predictions(services, page), next_cursor=more)

    @router.get("/{job_id}", summary="One of your jobs")
    async def get_job(who: Reader, job_id: UUID) -> Prediction:
        """And its pictures, once they are there."""
        return await prediction(services, await services.desk.job(who.person, job_id))

    @router.post("/{job_id}/cancel", summary="Stop a job")
    async def cancel_job(who: Drawer, job_id: UUID) -> Prediction:
        """This one and no other. Nothing is charged for it."""
        return await prediction(services, await services.desk.cancel(who.person, job_id))

    return router
