"""Was this picture made here, and what was done to it since?"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.forms import PictureFile, PictureLink, brought
from shared.attestation import Answer
from shared.attestation import Sign as Shown
from shared.witness import check_size, for_asker


class Sign(BaseModel):
    holds: bool
    words: str = Field(examples=["It is signed by this farm, and nothing was changed since."])


class Verification(BaseModel):
    """Whose job it was is for its owner, and for the moderators of the server where it was drawn."""

    object: Literal["verification"] = "verification"
    origin: Literal["proven", "marked", "alike", "unknown"] = Field(examples=["proven"])
    headline: str = Field(examples=["Made here."])
    manifest: Sign = Field(description="C2PA.")
    watermark: Sign
    looks: Sign = Field(description="A fingerprint of what is to be seen.")
    changes: list[str] = Field(examples=[[]], description="What was done to it since.")
    made_at: str | None = Field(examples=["2026-11-30T12:00:00Z"])
    job: str | None = Field(examples=[None])
    picture: int | None = Field(examples=[0], description="From 0; -1 is the grid.")


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/verify", tags=["Pictures"], responses=refusals(413))

    @router.post("", summary="Where a picture comes from")
    async def verify_picture(
        who: Reader,
        picture: PictureFile = None,
        link: PictureLink = None,
    ) -> Verification:
        if picture is not None and picture.size is not None:
            check_size(picture.size)
        return await _answered(services, who, await brought(services, picture, link))

    return router


async def _answered(services: Services, who: Principal, data: bytes) -> Verification:
    told = await services.witness.ask(who.holder.key.account_id, data)
    return _verification(for_asker(told, who.moderator))


def _verification(answer: Answer) -> Verification:
    names = ("origin", "headline", "made_at", "job", "picture")
    return Verification(
        manifest=_sign(answer.manifest),
        watermark=_sign(answer.watermark),
        looks=_sign(answer.looks),
        changes=list(answer.changes),
        **{name: getattr(answer, name) for name in names},
    )


def _sign(shown: Shown) -> Sign:
    return Sign(holds=shown.holds, words=shown.words)
