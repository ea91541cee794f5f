"""The plans: what each allows, what its GPU time costs, and where it is sold."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from shared.plans import Plan as Terms
from shared.plans import PlanBook, Sku, Speed

_SAME = (
    *("name", "title", "about", "default_speed", "step_budget", "max_running", "max_running_relax"),
    *("max_waiting", "max_prompt", "max_repeat", "max_permutations", "confirm_above", "grant_ms"),
    *("stealth", "weight"),
)


class Plan(BaseModel):
    """On the server that the key is of, if it is of one. Times are GPU-milliseconds."""

    object: Literal["plan"] = "plan"
    name: str = Field(examples=["free"])
    title: str = Field(examples=["Free"])
    about: str = Field(examples=["To look around."])
    current: bool = Field(description="The plan that this key draws on.")
    grant_ms: int = Field(examples=[1_500_000], description="Given each month; ends with it.")
    speeds: list[Speed] = Field(examples=[["fast", "relax"]])
    default_speed: Speed = Field(examples=["fast"])
    price: dict[Speed, float] = Field(
        examples=[{"turbo": 2.0, "fast": 1.0, "relax": 0.0}],
        description="What a measured GPU-millisecond costs at each speed, in GPU-milliseconds.",
    )
    step_budget: int = Field(examples=[50])
    max_running: int = Field(examples=[1])
    max_running_relax: int = Field(examples=[1])
    max_waiting: int = Field(examples=[3])
    max_prompt: int = Field(examples=[2000], description="Characters.")
    max_repeat: int = Field(examples=[2])
    max_permutations: int = Field(examples=[4])
    confirm_above: int = Field(
        examples=[5], description="More jobs than that of one ask want `confirmed`."
    )
    stealth: bool
    weight: int = Field(examples=[1], description="Its share of a busy farm.")
    models: list[str] | None = Field(examples=[None], description="null: all of them.")


class Offer(BaseModel):
    """What Discord sells: a plan while it is paid for, or GPU time that never ends."""

    sku: str = Field(examples=["1200000000000000001"])
    title: str = Field(examples=["Two more hours"])
    plan: str | None = Field(examples=[None])
    top_up_ms: int = Field(examples=[7_200_000])
    price: int = Field(examples=[800], description="In cents, or what its currency has.")
    currency: str = Field(examples=["USD"])


class PlanList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Plan]
    offers: list[Offer]
    link: str | None = Field(examples=[None], description="Where plans are sold beside Discord.")


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/plans", tags=["Plans and bills"], responses=refusals())

    @router.get("", summary="The plans, and which one is yours")
    async def list_plans(who: Reader) -> PlanList:
        book = services.plans
        account = await services.desk.account(who.person)
        plans = [_plan(name, book, who, current=account.plan) for name in book.plans]
        offers = [_offer(sku) for sku in book.skus.values()]
        return PlanList(data=plans, offers=offers, link=book.link or None)

    return router


def _plan(name: str, book: PlanBook, who: Principal, *, current: str) -> Plan:
    terms: Terms = book.terms(name, guild_id=who.venue.guild_id, roles=who.person.roles)
    models = None if terms.models is None else list(terms.models)
    told: dict[str, Any] = {one: getattr(terms, one) for one in _SAME}
    return Plan(
        current=name == current,
        speeds=list(terms.speeds),
        price=dict(terms.price),
        models=models,
        **told,
    )


def _offer(sku: Sku) -> Offer:
    names = ("title", "plan", "top_up_ms", "price", "currency")
    return Offer(sku=sku.id, **{name: getattr(sku, name) for name in names})
