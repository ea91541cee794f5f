"""Prompts while they are typed: how they are read and what they would cost, or where they go wrong."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.fields import Words
from shared.catalog import Catalog
from shared.errors import Refusal
from shared.hires import drawn_size
from shared.orders import Ask, Estimate
from shared.parameterhelp import parameter_help
from shared.parameters import PARAMETERS
from shared.plans import Speed
from shared.prompt import readable, typed_in
from shared.slips import Typed
from shared.spec import RenderSpec


class Draft(BaseModel):
    """What somebody has typed so far."""

    model_config = ConfigDict(extra="forbid")

    prompt: Words = Field(examples=["a red sailboat on the sea --ar 3:2 --chaos 30"])
    pictures: Annotated[int, Field(ge=0, le=5)] = Field(
        default=0, examples=[0], description="So many pictures would come with it."
    )
    speed: Speed | None = Field(default=None, examples=["fast"])


class PromptSlip(BaseModel):
    """The first thing that is wrong. `position` counts characters from 1 and `length` is how many of them."""

    code: str = Field(examples=["invalid_value"])
    detail: str = Field(examples=["--ar takes width:height, ... For example --ar 3:2."])
    field: str | None = Field(examples=["aspect"])
    position: int | None = Field(examples=[31])
    length: int = Field(examples=[4])


class TypedParameter(BaseModel):
    name: str = Field(examples=["--ar"])
    field: str = Field(examples=["aspect"])
    value: str = Field(examples=["3:2"])
    position: int = Field(examples=[27])


class Recipe(BaseModel):
    """Of one of its jobs. The seed is drawn when it is asked for, unless the prompt names one."""

    model: str = Field(examples=["postcards"])
    width: int = Field(examples=[768], description="Of a delivered picture.")
    height: int = Field(examples=[512])
    images: int = Field(examples=[4])
    steps: int = Field(examples=[12])
    guidance: float = Field(examples=[4.0])
    sampler: str = Field(examples=["dpm++2m-karras"])
    negative: str = Field(examples=[""])
    loras: list[str] = Field(examples=[[]])


class Price(BaseModel):
    """The most that all its jobs together may cost, in GPU-milliseconds, and what you have."""

    jobs: int = Field(examples=[1])
    price_ms: int = Field(examples=[1200])
    available_ms: int = Field(examples=[1_500_000])
    speed: Speed = Field(examples=["fast"])
    confirm: bool = Field(description="So many jobs want `confirmed` when they are asked for.")


class PromptCheck(BaseModel):
    """The words themselves are screened when it is asked for, not before."""

    object: Literal["prompt_check"] = "prompt_check"
    ok: bool
    error: PromptSlip | None = None
    parameters: list[TypedParameter]
    prompts: list[str] = Field(
        default_factory=list, examples=[["a red sailboat on the sea --ar 3:2 --chaos 30"]]
    )
    price: Price | None = None
    recipe: Recipe | None = None
    notices: list[str] = Field(default_factory=list, examples=[[]])


class Parameter(BaseModel):
    """One that the grammar knows."""

    object: Literal["parameter"] = "parameter"
    names: list[str] = Field(examples=[["aspect", "ar"]], description="Without dashes.")
    typed: str = Field(examples=["--ar"])
    kind: str = Field(examples=["ratio"])
    field: str = Field(examples=["aspect"])
    help: str = Field(examples=["Width to height, two whole numbers."])
    takes: str = Field(examples=["width:height, two whole numbers from 1 to 1000"])
    default: str = Field(examples=["1:1"])
    example: str = Field(examples=["--ar 3:2"])
    choices: list[str] = Field(examples=[[]])


class ParameterList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Parameter]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Prompts"], responses=refusals())

    @router.post("/prompts/check", summary="How a prompt is read, and what it would cost")
    async def check_prompt(who: Reader, draft: Draft) -> PromptCheck:
        """For a box that is typed in: nothing is made, charged, screened or written down. What is wrong with
        it comes as `error` of a 200."""
        parameters = _parameters(draft.prompt)
        try:
            found = await services.desk.estimate(_ask(draft, who))
        except Refusal as refusal:
            slip = _slip(refusal, draft.prompt)
            return PromptCheck(ok=False, error=slip, parameters=parameters)
        return _checked(found, services.catalog, parameters)

    @router.get("/parameters", summary="The parameters that a prompt may have")
    async def list_parameters(who: Reader) -> ParameterList:
        supported = [one for one in PARAMETERS if one.supported]
        told = zip(supported, parameter_help(), strict=True)
        return ParameterList(data=[_parameter(one, line.takes) for one, line in told])

    return router


def _ask(draft: Draft, who: Principal) -> Ask:
    attached = tuple(f"attached-{number}" for number in range(draft.pictures))
    return Ask(
        "imagine",
        who.person,
        who.venue,
        "check",
        None,
        text=draft.prompt,
        speed=draft.speed,
        images=attached,
    )


def _checked(found: Estimate, catalog: Catalog, parameters: list[TypedParameter]) -> PromptCheck:
    quote = found.quote
    price = Price(
        jobs=quote.jobs,
        price_ms=quote.price_ms,
        available_ms=quote.available_ms,
        speed=quote.speed,
        confirm=found.confirm,
    )
    return PromptCheck(
        ok=True,
        parameters=parameters,
        prompts=list(quote.prompts),
        price=price,
        recipe=_recipe(found.specs[0], catalog),
        notices=list(found.notices),
    )


def _recipe(spec: RenderSpec, catalog: Catalog) -> Recipe:
    width, height = drawn_size(spec, catalog.get(spec.checkpoint))
    same = {
        name: getattr(spec, name) for name in ("images", "steps", "guidance", "sampler", "negative")
    }
    size: dict[str, Any] = {"width": width * spec.scale, "height": height * spec.scale}
    return Recipe(model=spec.checkpoint, loras=[one.name for one in spec.loras], **size, **same)


def _parameters(text: str) -> list[TypedParameter]:
    """As far as it can be read, for whoever colours it."""
    try:
        return [_typed(one, _before(text)) for one in typed_in(readable(text).strip())]
    except Refusal:
        return []


def _typed(one: Typed, before: int) -> TypedParameter:
    return TypedParameter(
        name=one.name,
        field=one.parameter.field,
        value=one.value,
        position=one.position + before,
    )


def _slip(refusal: Refusal, text: str) -> PromptSlip:
    position, length = refusal.position, 0
    if position is not None:
        position += _before(text)
        length = (
            len(text[position - 1 :].split(maxsplit=1)[0]) if text[position - 1 :].strip() else 0
        )
    return PromptSlip(
        code=refusal.code,
        detail=refusal.sentence,
        field=refusal.field,
        position=position,
        length=length,
    )


def _before(text: str) -> int:
    """The desk counts from the first character that is not white."""
    return len(text) - len(text.lstrip())


def _parameter(one: Any, takes: str) -> Parameter:
    return Parameter(
        names=list(one.names),
        typed=one.typed,
        kind=one.kind.value,
        takes=takes,
        example=one.sample,
        choices=list(one.choices),
        **{name: getattr(one, name) for name in ("field", "help", "default")},
    )
