"""What there is to draw with: checkpoints, and the adapters that fit each."""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from shared.adapters import Adapter
from shared.catalog import Catalog, Checkpoint
from shared.errors import Refusal
from shared.oversight.explanations import Models
from shared.traffic import Traffic

_AS_THERE = (
    *("title", "family", "max_area", "scale", "steps", "guidance", "sampler", "samplers"),
    *("versions", "examples"),
)


class Warmth(BaseModel):
    """On how many of the workers that take jobs it is at hand: a cold one is loaded first."""

    workers: int = Field(examples=[2])
    warm: int = Field(examples=[1])
    tier: Literal["hot", "warm", "cold"] = Field(
        examples=["warm"],
        description="hot: always loaded; warm: while it is used; cold: on demand, the first to leave.",
    )


class Look(BaseModel):
    """What `--style` calls it."""

    name: str = Field(examples=["sepia"])
    title: str = Field(examples=["Sepia"])


class Part(BaseModel):
    """An adapter that fits: a LoRA for `--lora`, a ControlNet for `--control`, and so on."""

    name: str = Field(examples=["sepia"])
    title: str = Field(examples=["Sepia"])
    kind: str = Field(examples=["lora"])
    licence: str = Field(examples=["Apache-2.0"])
    plan: str = Field(
        examples=[""], description="The least plan that may use it; empty for every one."
    )
    weight: float = Field(examples=[1.0])
    words: list[str] = Field(examples=[[]], description="What its training answered to.")


class Model(BaseModel):
    """A checkpoint. `id`, `object`, `created` and `owned_by` are OpenAI's; nobody knows when it was made."""

    id: str = Field(examples=["postcards"])
    object: Literal["model"] = "model"
    created: int = Field(default=0, examples=[0])
    owned_by: str = Field(default="pictor", examples=["pictor"])
    title: str = Field(examples=["Postcards"])
    family: Literal["sd15", "sdxl", "sd3", "flux"] = Field(examples=["sd15"])
    licence: str | None = Field(examples=["Apache-2.0"], description="Of the weights, where told.")
    default: bool = Field(description="Draws for this key where a prompt names none.")
    allowed: bool = Field(description="Whether this key may draw with it.")
    denied_by: str | None = Field(
        default=None, examples=[None], description="The line that says no."
    )
    warmth: Warmth
    native: list[int] = Field(examples=[[64, 64]], description="Its own size, in its own pixels.")
    sizes: list[list[int]] = Field(
        examples=[[[64, 64], [96, 64], [64, 96]]], description="Empty: any up to `max_area`."
    )
    max_area: int = Field(examples=[6144])
    scale: int = Field(examples=[8], description="A delivered picture is so many times larger.")
    steps: int = Field(examples=[12])
    guidance: float = Field(examples=[4.0])
    sampler: str = Field(examples=["dpm++2m-karras"])
    samplers: list[str] = Field(examples=[["dpm++2m-karras", "euler-a"]])
    abilities: list[str] = Field(examples=[["chaos", "hires", "negative", "pictures"]])
    versions: list[str] = Field(examples=[["1"]], description="What --version and --niji call it.")
    styles: list[Look]
    adapters: list[Part]
    examples: list[str] = Field(examples=[["a red sailboat on the sea at sunset, two birds"]])


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/models", tags=["Models"], responses=refusals())

    @router.get("", summary="The models, what fits them and how warm they are")
    async def list_models(who: Reader) -> ModelList:
        return ModelList(data=list((await _shown(services, who)).values()))

    @router.get("/{name}", summary="One model", responses=refusals(404))
    async def get_model(who: Reader, name: str) -> Model:
        shown = await _shown(services, who)
        if name not in shown:
            sentence = f"There is no model of this name. GET /v1/models names all {len(shown)}."
            raise Refusal("not_found", sentence, field="name")
        return shown[name]

    return router


async def _shown(services: Services, who: Principal) -> dict[str, Model]:
    said = await services.explanations.models(who.person, who.venue)
    busy = await services.desk.traffic(silent_s=services.settings.farm.worker_silent_s)
    catalog = services.catalog
    return {
        name: _model(one, catalog, said, busy)
        for name, one in catalog.checkpoints.items()
        if not one.refiner
    }


def _model(one: Checkpoint, catalog: Catalog, said: Models, busy: Traffic) -> Model:
    decision = said.said[one.name]
    return Model(
        id=one.name,
        default=one.name == said.usual,
        allowed=decision.allowed,
        denied_by=None if decision.allowed else decision.line,
        warmth=Warmth(workers=busy.workers, warm=busy.warm.get(one.name, 0), tier=one.tier),  # type: ignore[arg-type]
        licence=one.licence or None,
        native=[one.native, one.native],
        sizes=[list(size) for size in one.sizes],
        abilities=sorted(one.abilities),
        styles=[Look(name=style.name, title=style.title) for style in one.styles.values()],
        adapters=[_part(part) for part in _fitting(catalog.adapters, one.family)],
        **_same(one, _AS_THERE),
    )


def _fitting(adapters: Mapping[str, Adapter], family: str) -> list[Adapter]:
    """A VAE is the model's own business."""
    return [one for one in adapters.values() if one.family == family and one.kind != "vae"]


def _part(one: Adapter) -> Part:
    names = ("name", "title", "kind", "licence", "plan", "weight")
    return Part(words=list(one.words), **_same(one, names))


def _same(one: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(one, name) for name in names}
