"""Many prompts in one request: each becomes a job, or says why not."""

import asyncio
from dataclasses import replace
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Drawer, Principal
from farm.api.problems import Problem, problem_of, refusals
from farm.api.services import Services
from farm.api.v1.inputs import JobInput, imagined
from farm.api.v1.predictions import Prediction, predictions
from farm.api.v1.terms import Termed, Terms
from shared.errors import Fault, Refusal

MOST = 50
AT_ONCE = 4  # of one batch: others have requests too


class BatchInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    items: list[JobInput] = Field(min_length=1, max_length=MOST)


class Item(BaseModel):
    """In the order of the request: its jobs, or the problem that it has."""

    index: int = Field(examples=[0])
    jobs: list[Prediction] = Field(default_factory=list)
    problem: Problem | None = None


class Batch(BaseModel):
    object: Literal["batch"] = "batch"
    data: list[Item]
    accepted: int = Field(examples=[2], description="So many items became jobs.")
    refused: int = Field(examples=[0])


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/batches", tags=["Jobs"], responses=refusals(413))

    @router.post("", summary="Draw many prompts")
    async def create_batch(who: Drawer, asked: BatchInput, terms: Termed) -> Batch:
        """Sent again with the same `Idempotency-Key`, what was accepted is told again, and what was refused
        is tried again."""
        turns = asyncio.Semaphore(AT_ONCE)
        data = await asyncio.gather(
            *(
                _item(services, who, one, _of_item(terms, index), index=index, turns=turns)
                for index, one in enumerate(asked.items)
            )
        )
        accepted = sum(one.problem is None for one in data)
        return Batch(data=data, accepted=accepted, refused=len(data) - accepted)

    return router


async def _item(
    services: Services,
    who: Principal,
    asked: JobInput,
    terms: Terms,
    *,
    index: int,
    turns: asyncio.Semaphore,
) -> Item:
    async with turns:
        try:
            receipt = await services.desk.ask(await imagined(services, who, asked, terms))
            jobs = await predictions(services, receipt.jobs, reused=receipt.reused)
        except (Refusal, Fault) as error:
            return Item(index=index, problem=problem_of(error))
    return Item(index=index, jobs=jobs)


def _of_item(terms: Terms, index: int) -> Terms:
    return replace(terms, key=f"{terms.key}#{index}" if terms.key else None)
