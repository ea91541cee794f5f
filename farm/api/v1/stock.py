"""What the workers are to have at hand, or not: for the operator."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Operator
from farm.api.problems import refusals
from farm.api.services import Services
from shared.wishes import LOAD, UNLOAD, Wish

SAID = refusals(404)


class Where(BaseModel):
    """Every worker that is up, or the one that is named."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"worker": "worker-1"}]}
    )

    worker: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=r"^[^\x00]*$", examples=["worker-1"]
    )


class WishInfo(BaseModel):
    """What was asked of one worker, and what came of it."""

    id: UUID = Field(examples=["1c0e5a52-2f43-4b8e-9d0c-4f6a6e0b1c22"])
    object: Literal["wish"] = "wish"
    worker: str = Field(examples=["worker-1"])
    kind: Literal["checkpoint", "lora"]
    name: str = Field(examples=["postcards"])
    action: Literal["load", "unload"]
    state: Literal["open", "done", "refused"] = Field(
        examples=["open"], description="refused: what a job holds stays, for example."
    )
    detail: str = Field(examples=[""], description="Why it was refused.")
    at: datetime = Field(examples=["2026-05-04T12:00:00Z"])
    ended_at: datetime | None = Field(examples=[None])


class WishList(BaseModel):
    object: Literal["list"] = "list"
    data: list[WishInfo]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Workers"], responses=SAID)
    stock = services.stock

    @router.post("/models/{name}/load", status_code=202, summary="Load a model")
    async def load_model(who: Operator, name: str, where: Where | None = None) -> WishList:
        """Workers carry it out when they can; GET /v1/models/{name}/wishes tells what came of it. The warm
        pool's rules hold: what is wanted more may take its place later."""
        return _told(await stock.checkpoint(who.moderator, name, LOAD, _worker(where)))

    @router.post("/models/{name}/unload", status_code=202, summary="Unload a model")
    async def unload_model(who: Operator, name: str, where: Where | None = None) -> WishList:
        """Refused where a job holds it, and for models that are always loaded."""
        return _told(await stock.checkpoint(who.moderator, name, UNLOAD, _worker(where)))

    @router.get("/models/{name}/wishes", summary="What became of loading and unloading a model")
    async def list_wishes(who: Operator, name: str) -> WishList:
        return _told(await stock.told(who.moderator, name))

    @router.post("/loras/{lora_id}/load", status_code=202, summary="Fetch a LoRA to the workers")
    async def load_lora(who: Operator, lora_id: UUID, where: Where | None = None) -> WishList:
        return _told(await stock.lora(who.moderator, lora_id, LOAD, _worker(where)))

    @router.post("/loras/{lora_id}/unload", status_code=202, summary="Drop a LoRA from the workers")
    async def unload_lora(who: Operator, lora_id: UUID, where: Where | None = None) -> WishList:
        """Refused where a job wears it. The next job that asks for it fetches it again."""
        return _told(await stock.lora(who.moderator, lora_id, UNLOAD, _worker(where)))

    @router.get("/loras/{lora_id}/wishes", summary="What became of fetching and dropping a LoRA")
    async def list_lora_wishes(who: Operator, lora_id: UUID) -> WishList:
        return _told(await stock.told_of_lora(who.moderator, lora_id))

    return router


def _worker(where: Where | None) -> str | None:
    return where.worker if where else None


def _told(wishes: list[Wish]) -> WishList:
    return WishList(data=[WishInfo.model_validate(one, from_attributes=True) for one in wishes])
