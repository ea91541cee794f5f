"""Jobs: made of a prompt, looked at, listed, cancelled."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field

from farm.api.principals import Drawer, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.cursors import read_cursor, write_cursor
from farm.api.v1.fields import Line
from farm.api.v1.inputs import JobInput, ask_of, key_of
from farm.api.v1.predictions import Prediction, prediction, predictions
from shared.jobs import JobKind, JobState

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128)]


class Accepted(Prediction):
    """The job; `more` are the others of the same prompt (`--repeat`, or choices in braces)."""

    more: list[Prediction] = Field(default_factory=list)
    notices: list[str] = Field(default_factory=list, description="What is not quite as asked for.")


class Jobs(BaseModel):
    """A page of jobs, the newest first."""

    object: Literal["list"] = "list"
    data: list[Prediction]
    next_cursor: str | None = Field(default=None, description="Null on the last page.")


class Listing(BaseModel):
    search: Line = Field(default="", description="Words of the prompt, or a job's first digits.")
    state: JobState | None = None
    kind: JobKind | None = None
    cursor: Line | None = None
    limit: int = Field(default=20, ge=1, le=100)


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=refusals(402, 404, 409))

    @router.post("", status_code=201)
    async def create_job(who: Drawer, asked: JobInput, key: Key = None) -> Accepted:
        """Draw four pictures of a prompt."""
        receipt = await services.desk.ask(ask_of(who, asked, key_of(who, key)))
        first, *more = await predictions(services, receipt.jobs, reused=receipt.reused)
        return Accepted(**dict(first), more=more, notices=list(receipt.notices))

    @router.get("")
    async def list_jobs(who: Reader, wanted: Annotated[Listing, Query()]) -> Jobs:
        """Your jobs, the newest first, whatever became of them."""
        found = await services.desk.listed(
            who.person,
            wanted.search,
            state=wanted.state,
            kind=wanted.kind,
            after=read_cursor(wanted.cursor),
            limit=wanted.limit,
        )
        more = write_cursor(found[-1]) if len(found) == wanted.limit else None
        return Jobs(data=await predictions(services, found), next_cursor=more)

    @router.get("/{job_id}")
    async def get_job(who: Reader, job_id: UUID) -> Prediction:
        """One of your jobs, and its pictures once they are there."""
        return await prediction(services, await services.desk.job(who.person, job_id))

    @router.post("/{job_id}/cancel")
    async def cancel_job(who: Drawer, job_id: UUID) -> Prediction:
        """Stop one of your jobs. Nothing is charged for it."""
        return await prediction(services, await services.desk.cancel(who.person, job_id))

    return router
