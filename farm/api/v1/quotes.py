"""What a prompt would make and cost."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Drawer
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.inputs import JobInput, imagined
from farm.api.v1.terms import Terms
from shared.plans import Speed


class Quote(BaseModel):
    """GPU-milliseconds: the most that all jobs together may cost, and what you have."""

    object: Literal["quote"] = "quote"
    jobs: int = Field(examples=[1])
    prompts: list[str] = Field(examples=[["a red sailboat --ar 3:2"]])
    price_ms: int = Field(examples=[1_200])
    available_ms: int = Field(examples=[1_500_000])
    speed: Speed = Field(examples=["fast"])


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/quotes", tags=["Jobs"], responses=refusals(413))

    @router.post("", summary="What a prompt would cost")
    async def create_quote(who: Drawer, asked: JobInput) -> Quote:
        """Nothing is drawn and nothing held. What would be refused is refused here."""
        quote = await services.desk.quote(await imagined(services, who, asked, Terms()))
        return Quote(
            jobs=quote.jobs,
            prompts=list(quote.prompts),
            price_ms=quote.price_ms,
            available_ms=quote.available_ms,
            speed=quote.speed,
        )

    return router
