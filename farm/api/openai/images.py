"""OpenAI's images API at the same desk: `/v1/images/generations`, `/edits` and `/variations`."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Request, Response
from fastapi.responses import JSONResponse

from farm.api.openai.answers import images
from farm.api.openai.asked import Asked, Edit, Generation, Variation, text_of
from farm.api.openai.brought import edited, varied
from farm.api.openai.drawing import Gone, drawn, let_go, unless_gone
from farm.api.openai.errors import DOCUMENTED, Route
from farm.api.openai.shapes import Images, Kind
from farm.api.openai.telling import Telling
from farm.api.principals import Drawer, Principal
from farm.api.services import Services
from farm.api.streams import Stream
from farm.api.v1.inputs import key_of, memo_of
from shared.jobs import Job
from shared.orders import Ask, Person

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128)]

_TEXT = {"type": "string"}
_EVENT = {"type": "object", "properties": {"event": _TEXT, "data": _TEXT}}
STREAMED: dict[int | str, dict[str, Any]] = {  # where `stream` is asked for
    200: {"content": {Stream.media_type: {"schema": _EVENT}}}
}


def routes(services: Services) -> APIRouter:
    router = APIRouter(
        prefix="/v1/images", tags=["OpenAI"], route_class=Route, responses=DOCUMENTED
    )

    @router.post(
        "/generations",
        response_model=Images,
        responses=STREAMED,
        summary="Draw pictures, as OpenAI's API does",
    )
    async def create_image(
        who: Drawer, asked: Generation, request: Request, key: Key = None
    ) -> Response:
        ask = _ask(who, asked, key, text_of(asked, asked.prompt, services.catalog))
        line = Line(services, who.person, request, kept=key is not None)
        return await line.answer(asked, ask, "image_generation")

    @router.post(
        "/edits",
        response_model=Images,
        responses=STREAMED,
        summary="Change pictures, as OpenAI's API does",
    )
    async def create_edit(
        who: Drawer, asked: Annotated[Edit, Form()], request: Request, key: Key = None
    ) -> Response:
        ask = _ask(who, asked, key, text_of(asked, asked.prompt, services.catalog))
        ask = await edited(services, who, asked, ask)
        line = Line(services, who.person, request, kept=key is not None)
        return await line.answer(asked, ask, "image_edit")

    @router.post(
        "/variations", response_model=Images, summary="Vary a picture, as OpenAI's API did"
    )
    async def create_image_variation(
        who: Drawer, asked: Annotated[Variation, Form()], request: Request, key: Key = None
    ) -> Response:
        text_of(asked, "", services.catalog)
        ask = await varied(services, who, asked, _ask(who, asked, key, ""))
        line = Line(services, who.person, request, kept=key is not None)
        return await line.answer(asked, ask, "image_edit")

    return router


def _ask(who: Principal, asked: Asked, key: str | None, text: str) -> Ask:
    memo = memo_of({"user": asked.user}) if asked.user else ""
    return Ask(
        "imagine",
        who.person,
        who.venue,
        key_of(who, key),
        None,
        text=text,
        memo=memo,
        pictures=asked.pictures,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A client that waits. Unless its key lets it come back for them (`kept`), its jobs end when it hangs up:
    its library asks again by itself, and would pay twice."""

    services: Services
    person: Person
    request: Request
    kept: bool

    async def answer(self, asked: Asked, ask: Ask, kind: Kind) -> Response:
        jobs = (await self.services.desk.ask(ask)).jobs
        if asked.stream:
            return self._stream(Telling(self.services, self.person, asked, kind), jobs)
        try:
            done = await unless_gone(self.request, drawn(self.services, self.person, jobs))
            told = await images(self.services, asked, done)
        except Gone:
            return Response(status_code=499)
        finally:
            await self._hang_up(jobs)
        return JSONResponse(told.model_dump(exclude_none=True))

    def _stream(self, telling: Telling, jobs: Sequence[Job]) -> Stream:
        opened = AsyncExitStack()
        opened.push_async_callback(self._hang_up, jobs)
        return Stream(telling.events(jobs), opened)

    async def _hang_up(self, jobs: Sequence[Job]) -> None:
        """Nothing happens to what is finished."""
        if not self.kept:
            await let_go(self.services, self.person, jobs)
