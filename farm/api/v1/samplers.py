"""The ways from noise to picture."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Reader
from farm.api.problems import refusals
from farm.api.services import Services
from shared.catalog import FAMILIES, SAMPLERS, Catalog, samplers_of


class Sampler(BaseModel):
    """What `--sampler` takes."""

    name: str = Field(examples=["dpm++2m-karras"])
    object: Literal["sampler"] = "sampler"
    families: list[str] = Field(examples=[["sd15", "sdxl"]], description="Families it works for.")
    models: list[str] = Field(examples=[["postcards"]], description="Models that offer it.")
    default_of: list[str] = Field(examples=[["postcards"]])


class SamplerList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Sampler]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/samplers", tags=["Models"], responses=refusals())

    @router.get("", summary="The samplers, and which models offer them")
    async def list_samplers(who: Reader) -> SamplerList:
        return SamplerList(data=[_sampler(name, services.catalog) for name in SAMPLERS])

    return router


def _sampler(name: str, catalog: Catalog) -> Sampler:
    every = catalog.checkpoints.values()
    return Sampler(
        name=name,
        families=[family for family in FAMILIES if name in samplers_of(family)],
        models=[one.name for one in every if name in one.samplers],
        default_of=[one.name for one in every if name == one.sampler],
    )
