"""Pictures that are sent once and named by their link then."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, UploadFile
from pydantic import BaseModel, Field

from farm.api.principals import Drawer
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.pictures import brought
from shared.safefetch import MOST_BYTES
from shared.uploads import link_of


class Upload(BaseModel):
    """`url` leads nowhere: it stands for the picture in `images`, in a `mask`, or in a prompt."""

    object: Literal["upload"] = "upload"
    url: str = Field(examples=["https://pictor.invalid/0f3c5a7e9b1d2f4a6c8e0b2d4f6a8c0e.png"])
    width: int = Field(examples=[1024])
    height: int = Field(examples=[768])
    sha256: str = Field(
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    )
    kept_s: float = Field(
        examples=[900.0], description="Gone after so many seconds, unless a job starts from it."
    )


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/uploads", tags=["Jobs"], responses=refusals(413))

    @router.post("", status_code=201, summary="Bring a picture")
    async def create_upload(
        who: Drawer, file: Annotated[UploadFile, File(description="PNG, JPEG or WebP, to 10 MB.")]
    ) -> Upload:
        """The same file again has the same link."""
        data = await file.read(MOST_BYTES + 1)
        kept = await brought(services, who, data, field="file")
        width, height = kept.size or (0, 0)
        return Upload(
            url=link_of(kept.source.key),
            width=width,
            height=height,
            sha256=kept.source.sha256,
            kept_s=services.settings.farm.purge_grace_s,
        )

    return router
