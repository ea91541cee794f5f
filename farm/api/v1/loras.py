"""/v1/loras: LoRAs of one's own, and those that others let everybody use."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, File, Form, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from farm.api.principals import Reader, Staff, Uploader
from farm.api.problems import refusals
from farm.api.services import Services
from shared.errors import Refusal
from shared.lorarows import Lora
from shared.loras import LONGEST_NAME, Bringing

AT_ONCE = 2  # each is a whole file in memory
Visibility = Literal["own", "public"]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"^[a-z0-9][a-z0-9_-]*$"),
]


class LoraInfo(BaseModel):
    """A LoRA that somebody brought. Write `use` behind a prompt to draw with it."""

    id: UUID = Field(examples=["7d1e5a52-2f43-4b8e-9d0c-4f6a6e0b1c11"])
    object: Literal["lora"] = "lora"
    name: str = Field(examples=["ink-2"])
    handle: str = Field(
        examples=["ink-2.k3f9zq2m"], description="Names this very file in recipes, for ever."
    )
    use: str = Field(examples=["--lora ink-2.k3f9zq2m"])
    checkpoint: str = Field(examples=["postcards"], description="It was tried on this model.")
    trigger: str = Field(
        examples=["ink style"], description="Words that it was trained to answer to."
    )
    licence: str = Field(examples=["CC-BY-4.0"])
    size: int = Field(examples=[841160], description="Bytes.")
    sha256: str = Field(
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    )
    mine: bool
    state: Literal["own", "waiting", "public"] = Field(
        examples=["own"], description="waiting: for a moderator, before others may use it."
    )
    created_at: datetime = Field(examples=["2026-05-04T12:00:00Z"])


class LoraList(BaseModel):
    object: Literal["list"] = "list"
    data: list[LoraInfo]


class LoraChange(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"visibility": "public"}]}
    )

    visibility: Visibility = Field(
        description="public: others may use it once a moderator has approved it."
    )


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/loras", tags=["LoRAs"])
    _add_bringing(router, services)
    _add_looking(router, services)
    _add_changing(router, services)
    return router


def _add_bringing(router: APIRouter, services: Services) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    @router.post(
        "",
        status_code=201,
        summary="Bring a LoRA",
        responses=refusals(409, 413),
    )
    async def create_lora(
        who: Uploader,
        response: Response,
        file: Annotated[UploadFile, File(description="A .safetensors file; nothing else is read.")],
        name: Annotated[Name, Form(examples=["ink-2"])],
        checkpoint: Annotated[Line, Form(examples=["postcards"])],
        trigger: Annotated[Line, Form(examples=["ink style"])] = "",
        licence: Annotated[Line, Form(examples=["CC-BY-4.0"])] = "",
        visibility: Annotated[Visibility, Form()] = "own",
    ) -> LoraInfo:
        """It is read in a confined process and tried on the model; what does not fit is refused and kept
        nowhere. The same file under the same name again answers 200 with the first one."""
        async with turns:
            told = Bringing(
                name=name,
                checkpoint=checkpoint,
                data=await _read(file, services.settings.api.max_lora_bytes),
                trigger=trigger,
                licence=licence,
                visibility=visibility,
            )
            lora, fresh = await services.loras.bring(who.person, who.venue, told)
        response.status_code = 201 if fresh else 200
        return _mine(lora)


def _add_looking(router: APIRouter, services: Services) -> None:
    desk = services.loras

    @router.get("", summary="LoRAs that may be used here", responses=refusals())
    async def list_loras(who: Reader) -> LoraList:
        """One's own first, then what others made public. The operator's are told with each model."""
        mine = await desk.mine(who.person)
        shown = await desk.shown(who.venue)
        known = {one.id for one in mine}
        others = [_others(one) for one in shown if one.id not in known]
        return LoraList(data=[*map(_mine, mine), *others])

    @router.get("/{lora_id}", summary="One LoRA", responses=refusals(404))
    async def get_lora(who: Reader, lora_id: UUID) -> LoraInfo:
        lora, mine = await desk.get(who.person, who.venue, lora_id)
        return _told(lora, mine=mine)


def _add_changing(router: APIRouter, services: Services) -> None:
    desk = services.loras

    @router.patch(
        "/{lora_id}",
        summary="Let others use a LoRA, or no longer",
        responses=refusals(404),
    )
    async def change_lora(who: Uploader, lora_id: UUID, change: LoraChange) -> LoraInfo:
        public = change.visibility == "public"
        return _mine(await desk.show(who.person, lora_id, public=public))

    @router.delete(
        "/{lora_id}",
        status_code=204,
        summary="Delete a LoRA",
        responses=refusals(404),
    )
    async def delete_lora(who: Uploader, lora_id: UUID) -> None:
        """Its file is deleted, from the workers too; jobs that still wait for it fail and cost nothing."""
        await desk.remove(who.person, lora_id)


def moderation(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/moderation/loras", tags=["Moderation"])
    desk = services.loras

    @router.get("", summary="LoRAs whose owners want others to use them", responses=refusals())
    async def list_waiting_loras(who: Staff) -> LoraList:
        return LoraList(data=[_others(one) for one in await desk.waiting(who.moderator)])

    @router.post(
        "/{lora_id}/approve",
        summary="Let others use a LoRA",
        responses=refusals(404, 409),
    )
    async def approve_lora(who: Staff, lora_id: UUID) -> LoraInfo:
        """On the server where it was brought; one that was brought on none, everywhere."""
        return _others(await desk.approve(who.moderator, lora_id))

    @router.post(
        "/{lora_id}/decline",
        summary="Leave a LoRA to its owner alone",
        responses=refusals(404, 409),
    )
    async def decline_lora(who: Staff, lora_id: UUID) -> LoraInfo:
        return _others(await desk.decline(who.moderator, lora_id))

    return router


async def _read(file: UploadFile, most: int) -> bytes:
    data = await file.read(most + 1)
    if len(data) > most:
        sentence = f"The file is larger than {most >> 20} MB. Save the LoRA with a lower rank."
        raise Refusal("too_large", sentence, field="file")
    return data


def _mine(lora: Lora) -> LoraInfo:
    return _told(lora, mine=True)


def _others(lora: Lora) -> LoraInfo:
    return _told(lora, mine=False)


def _told(lora: Lora, *, mine: bool) -> LoraInfo:
    state: Literal["own", "waiting", "public"] = "own"
    if lora.visibility == "public":
        state = "public" if lora.shown else "waiting"
    return LoraInfo(
        id=lora.id,
        name=lora.name,
        handle=lora.handle,
        use=f"--lora {lora.handle}",
        checkpoint=lora.checkpoint,
        trigger=lora.trigger,
        licence=lora.licence,
        size=lora.size,
        sha256=lora.sha256,
        mine=mine,
        state=state,
        created_at=lora.created_at,
    )
