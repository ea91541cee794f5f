"""What requests ask for, and the asks that they become at the desk."""

import hashlib
import json
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from farm.api.principals import Principal
from farm.api.services import Services
from farm.api.v1.fields import Line, Picture, Words, storable
from farm.api.v1.parameters import Parameters
from farm.api.v1.pictures import link_of, links_of
from farm.api.v1.terms import Terms
from farm.api.v1.watching import Watched
from shared.orders import MOST_PICTURES, REGION_GRID, Ask
from shared.plans import Speed, Visibility

MOST_IMAGES = 5
LONGEST_KEY = 140
Label = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(storable)]
Told = Annotated[str, StringConstraints(max_length=500), AfterValidator(storable)]
Metadata = Annotated[dict[Label, Told], Field(max_length=16)]
Cell = Annotated[int, Field(ge=0, lt=REGION_GRID**2)]
Index = Annotated[
    int, Field(ge=0, lt=MOST_PICTURES, description="Which picture, from 0.", examples=[0])
]


class Around(Watched):
    """What may be said with anything that is drawn."""

    model_config = ConfigDict(extra="forbid")

    reuse: bool = Field(
        default=False,
        description="Pictures that you had of the same recipe are as good: at once, and free.",
    )
    metadata: Metadata = Field(
        default_factory=dict, examples=[{"order": "17"}], description="Told back with the job."
    )
    confirmed: bool = Field(
        default=False, description="You know that it makes many jobs, and what they cost."
    )


class Part(BaseModel):
    """The part of a picture that is drawn anew: white in a mask, cells of a 5x5 grid (counted from 0 by
    rows), or what the words name in it."""

    mask: Picture | None = Field(default=None, examples=[None])
    cells: list[Cell] = Field(default_factory=list, max_length=REGION_GRID**2, examples=[[]])
    region: Line = Field(default="", examples=[""], description="For example: the red hat.")


class JobInput(Parameters, Part, Around):
    """A prompt, with `--` parameters in it or beside it as fields, and pictures to start from. With a
    `mask`, `cells` or a `region` only that part of the one picture is drawn anew."""

    prompt: Words = Field(default="", examples=["a red sailboat --ar 3:2"])
    images: list[Picture] = Field(
        default_factory=list,
        max_length=MOST_IMAGES,
        examples=[[]],
        description="Pictures to start from. How much of them stays: `image_weight`.",
    )
    n: int | None = Field(
        default=None,
        ge=1,
        le=MOST_PICTURES,
        examples=[None],
        description="So many pictures, instead of the four of a grid.",
    )

    def text(self) -> str:
        return " ".join(part for part in (self.prompt, self.typed()) if part)


class BlendInput(Around):
    """Two to five pictures that are mixed."""

    images: list[Picture] = Field(min_length=2, max_length=MOST_IMAGES)
    shape: Literal["square", "portrait", "landscape"] = Field(default="square", examples=["square"])
    speed: Speed | None = Field(default=None, examples=["fast"])
    visibility: Visibility | None = Field(default=None, examples=["public"])


class OnwardInput(Around):
    """From a picture of a finished job."""

    index: Index = 0
    speed: Speed | None = Field(default=None, examples=["fast"])
    visibility: Visibility | None = Field(default=None, examples=["public"])


class RemixInput(OnwardInput):
    prompt: Words = Field(
        default="", examples=[""], description="Other words for it; empty, they stay."
    )


class VariationInput(RemixInput):
    strength: Literal["subtle", "strong"] | None = Field(
        default=None, examples=["subtle"], description="Left out, as your preferences say."
    )


class UpscaleInput(OnwardInput):
    details: Literal["same", "subtle", "creative"] = Field(
        default="same",
        examples=["same"],
        description="`same` only enlarges; the others draw the details anew.",
    )


class ZoomInput(RemixInput):
    factor: float = Field(default=2.0, gt=1, le=2, examples=[1.5])


class PanInput(RemixInput):
    direction: Literal["left", "right", "up", "down"] = Field(examples=["left"])


class RegionInput(RemixInput, Part):
    """One of `mask`, `cells` and `region`."""


class EnlargeInput(Parameters, Around):
    """A picture of your own, enlarged, its details drawn anew by what the prompt says of them."""

    prompt: Words = Field(examples=["a red sailboat"])
    image: Picture
    details: Literal["subtle", "creative"] = Field(default="subtle", examples=["subtle"])


async def imagined(services: Services, who: Principal, asked: JobInput, terms: Terms) -> Ask:
    images = await links_of(services, who, asked.images)
    part = await _part(services, who, asked)
    said = {"text": asked.text(), "images": images, "pictures": asked.n or 0}
    return _ask(who, "imagine", asked, terms, **said, **part)


async def enlarged(services: Services, who: Principal, asked: EnlargeInput, terms: Terms) -> Ask:
    images = (await link_of(services, who, asked.image, field="image"),)
    text = " ".join(part for part in (asked.prompt, asked.typed()) if part)
    return _ask(who, "enlarge", asked, terms, text=text, images=images, manner=asked.details)


async def redrawn(
    services: Services, who: Principal, job_id: UUID, asked: RegionInput, terms: Terms
) -> Ask:
    part = await _part(services, who, asked)
    return onward(who, "region", job_id, asked, terms, **part)


async def blended(services: Services, who: Principal, asked: BlendInput, terms: Terms) -> Ask:
    images = await links_of(services, who, asked.images)
    said = {"manner": asked.shape, "speed": asked.speed, "visibility": asked.visibility}
    return _ask(who, "blend", asked, terms, images=images, **said)


def onward(
    who: Principal, verb: str, job_id: UUID, asked: OnwardInput, terms: Terms, **how: object
) -> Ask:
    """`how` are the verb's own fields of an Ask."""
    said: dict[str, object] = {"index": asked.index, "speed": asked.speed}
    said["visibility"] = asked.visibility
    if isinstance(asked, RemixInput):
        said["text"] = asked.prompt
    return _ask(who, verb, asked, terms, job_id=job_id, **said, **how)


def memo_of(metadata: dict[str, str]) -> str:
    return json.dumps(metadata, sort_keys=True) if metadata else ""


def key_of(who: Principal, idempotency_key: str | None) -> str:
    """Of the submission: this account's alone, and with no colon of theirs, which names further jobs of
    one key. Without a key, one that nobody asks with again."""
    named = quote(idempotency_key, safe="") if idempotency_key else str(uuid4())
    return f"api:{who.holder.key.account_id}:{_short(named)}"


async def _part(services: Services, who: Principal, asked: Part) -> dict[str, object]:
    mask = asked.mask and await link_of(services, who, asked.mask, field="mask")
    return {"mask": mask or "", "cells": tuple(sorted(set(asked.cells))), "words": asked.region}


def _short(name: str) -> str:
    """Keys of the desk end somewhere."""
    return name if len(name) <= LONGEST_KEY else hashlib.sha256(name.encode()).hexdigest()


def _ask(who: Principal, verb: str, asked: Around, terms: Terms, **said: object) -> Ask:
    told: dict[str, object] = {
        "confirmed": asked.confirmed,
        "hook": asked.hook(),
        "reuse": asked.reuse,
        "cancel_after_s": terms.cancel_after_s,
        "memo": memo_of(asked.metadata),
    }
    key = key_of(who, terms.key)
    return Ask(verb, who.person, who.venue, key, None, **said, **told)  # type: ignore[arg-type]
