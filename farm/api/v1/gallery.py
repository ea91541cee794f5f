"""Pictures: one's own, a server's public ones, and favourites."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from farm.api.principals import Drawer, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1 import pages
from farm.api.v1.pages import Cursor, Limit, Page
from shared.errors import Refusal
from shared.jobs import JobKind, Visibility
from shared.shots import Shot
from shared.storage import ObjectStore

Index = Annotated[int, Path(ge=0, le=63, description="Of the picture in its job, from 0.")]
Of = Annotated[
    Literal["mine", "server"],
    Query(description="Your own, also the stealthy; or what is public on the key's server."),
]


class GalleryPicture(BaseModel):
    object: Literal["picture"] = "picture"
    job: UUID
    index: int = Field(examples=[0])
    url: str = Field(examples=["http://127.0.0.1:8701/assets/0b1c/1/5d3f-0.webp"])
    width: int = Field(examples=[512])
    height: int = Field(examples=[512])
    mime: str = Field(examples=["image/webp"])
    kind: JobKind = Field(examples=["imagine"])
    prompt: str = Field(examples=["a red sailboat on the sea"])
    model: str = Field(examples=["postcards"])
    seed: int = Field(examples=[1234], description="Draws this one picture again.")
    visibility: Visibility = Field(examples=["public"])
    favourite: bool
    created_at: datetime


class PictureList(Page):
    data: list[GalleryPicture]


class Mark(BaseModel):
    object: Literal["favourite"] = "favourite"
    job: UUID
    index: int = Field(examples=[0])
    favourite: bool


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Pictures"], responses=refusals())
    desk, store = services.desk, services.store

    @router.get("/gallery", summary="Pictures, the newest first")
    async def list_gallery(
        who: Reader, of: Of = "mine", cursor: Cursor = None, limit: Limit = 10
    ) -> PictureList:
        """`limit` counts jobs: a grid is never torn. A server's gallery leaves out what only an age-restricted
        channel may show."""
        guild_id = _server(who.venue.guild_id) if of == "server" else None
        shots = await desk.gallery(
            who.person, guild_id=guild_id, before=pages.read(cursor), limit=limit, tame=True
        )
        more = len({shot.job.id for shot in shots}) == limit
        onward = pages.following([shot.at for shot in shots], more=more)
        return PictureList(data=[_picture(shot, store) for shot in shots], next_cursor=onward)

    @router.get("/favourites", summary="Your favourites, the last marked first")
    async def list_favourites(who: Reader, cursor: Cursor = None, limit: Limit = 20) -> PictureList:
        shots = await desk.favourites(who.person, before=pages.read(cursor), limit=limit + 1)
        here = shots[:limit]
        onward = pages.following([shot.at for shot in here], more=len(shots) > limit)
        return PictureList(data=[_picture(shot, store) for shot in here], next_cursor=onward)

    @router.put("/favourites/{job_id}/{index}", summary="Mark one", responses=refusals(404))
    async def mark_favourite(who: Drawer, job_id: UUID, index: Index) -> Mark:
        await desk.like(who.person, job_id, index)
        return Mark(job=job_id, index=index, favourite=True)

    @router.delete("/favourites/{job_id}/{index}", summary="Take the mark away")
    async def unmark_favourite(who: Drawer, job_id: UUID, index: Index) -> Mark:
        await desk.unlike(who.person, job_id, index)
        return Mark(job=job_id, index=index, favourite=False)

    return router


def _server(guild_id: str | None) -> str:
    if guild_id is None:
        sentence = "This key is of no server. Ask for of=mine, or make a key on a server by /key."
        raise Refusal("no_server", sentence, field="of")
    return guild_id


def _picture(shot: Shot, store: ObjectStore) -> GalleryPicture:
    job = shot.job
    return GalleryPicture(
        job=job.id,
        index=shot.index,
        url=store.url(shot.key),
        kind=job.kind,
        prompt=job.prompt,
        model=job.spec.checkpoint,
        seed=job.seed(shot.index),
        visibility=job.visibility,
        created_at=job.submitted_at,
        **{name: getattr(shot, name) for name in ("width", "height", "mime", "favourite")},
    )
