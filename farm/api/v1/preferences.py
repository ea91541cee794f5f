"""What holds for all of one's prompts unless they say otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from farm.api.principals import Drawer, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.fields import Line, Words
from shared.catalog import Catalog
from shared.choices import with_aspect, with_model, with_style
from shared.lineage import How
from shared.plans import Speed, Visibility
from shared.preferences import Preferences as Chosen
from shared.preferences import with_option, with_stylize, with_suffix

Option = Annotated[Words, StringConstraints(max_length=500)]


class Preferences(BaseModel):
    object: Literal["preferences"] = "preferences"
    model: str = Field(examples=[""], description="Empty: the usual one.")
    style: str = Field(examples=["sepia"])
    stylize: int | None = Field(examples=[None])
    raw: bool
    aspect: str | None = Field(examples=["3:2"])
    visibility: Visibility = Field(examples=["public"])
    variability: How = Field(examples=["strong"], description="How far a plain variation goes.")
    remix: bool
    auto_dm: bool
    suffix: str = Field(examples=["--chaos 10"], description="Parameters behind every prompt.")
    options: dict[str, str] = Field(examples=[{"wide": "--ar 16:9"}])
    speed: Speed = Field(examples=["fast"])


class PreferencesChange(BaseModel):
    """What is left out stays as it is. Empty text takes away."""

    model_config = ConfigDict(extra="forbid")

    model: Line | None = Field(default=None, examples=["postcards"])
    style: Line | None = Field(default=None, examples=["sepia"])
    stylize: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, examples=[250], description="Said as null, nothing is preferred."
    )
    raw: bool | None = None
    aspect: Line | None = Field(default=None, examples=["3:2"])
    visibility: Visibility | None = None
    variability: How | None = None
    remix: bool | None = None
    auto_dm: bool | None = None
    suffix: Words | None = Field(default=None, examples=["--chaos 10"])
    options: dict[Line, Option | None] | None = Field(
        default=None,
        max_length=20,
        examples=[{"wide": "--ar 16:9", "old": None}],
        description="Each by itself: what is not named here stays.",
    )
    speed: Speed | None = None


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/preferences", tags=["You"], responses=refusals())
    desk = services.desk

    @router.get("", summary="What holds for all your prompts")
    async def get_preferences(who: Reader) -> Preferences:
        account = await desk.account(who.person)
        usual = services.plans.plan(account.plan).default_speed
        return _told(await desk.preferences(who.person), account.default_speed or usual)

    @router.patch("", summary="Change some of it")
    async def change_preferences(who: Drawer, change: PreferencesChange) -> Preferences:
        """All or nothing: the first thing that cannot be leaves everything as it was."""
        wanted = change.model_dump(exclude_unset=True, exclude={"speed"})
        _changed(await desk.preferences(who.person), wanted, services.catalog)
        if change.speed is not None:
            await desk.set_speed(who.person, change.speed)
        await desk.change_preferences(
            who.person, lambda before: _changed(before, wanted, services.catalog)
        )
        return await get_preferences(who)

    return router


def _changed(chosen: Chosen, wanted: Mapping[str, Any], catalog: Catalog) -> Chosen:
    """In the order in which they were written."""
    for name, value in wanted.items():
        chosen = _with(chosen, name, value, catalog)
    return chosen


def _with(chosen: Chosen, name: str, value: Any, catalog: Catalog) -> Chosen:
    match name:
        case "model":
            return with_model(chosen, value or "", catalog)
        case "style":
            return with_style(chosen, value or "", catalog)
        case "aspect":
            return with_aspect(chosen, value or "")
        case "stylize":
            return with_stylize(chosen, value)
        case "suffix":
            return with_suffix(chosen, value or "")
        case "options":
            return _with_options(chosen, value)
    return chosen if value is None else replace(chosen, **{name: value})


def _with_options(chosen: Chosen, options: dict[str, str | None] | None) -> Chosen:
    for name, value in (options or {}).items():
        chosen = with_option(chosen, name, value or "")
    return chosen


def _told(chosen: Chosen, speed: Speed) -> Preferences:
    names = (
        *("model", "style", "stylize", "raw", "visibility", "variability", "remix", "auto_dm"),
        "suffix",
    )
    same: dict[str, Any] = {name: getattr(chosen, name) for name in names}
    aspect = ":".join(map(str, chosen.aspect)) if chosen.aspect else None
    return Preferences(aspect=aspect, options=dict(chosen.options), speed=speed, **same)
