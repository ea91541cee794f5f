"""The text service: words about pictures, and plain conversation, screened before anybody sees them."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from farm.api.principals import Reader, Writer
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.streams import Stream
from farm.api.v1.fields import Words
from farm.api.v1.forms import PictureFile, PictureLink, brought
from shared.errors import Fault, Refusal
from shared.scribe import MOST_TOKENS, Message

Said = Annotated[Words, StringConstraints(min_length=1)]
_EVENTS = 'data: {"type": "text", "text": "A boat comes in. "}\n\ndata: {"type": "done"}\n\n'
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EVENTS}}}
}


class TextService(BaseModel):
    """`connected`: one is set up. `healthy`: it answers now; a model that is loaded with the first question
    is loaded then."""

    object: Literal["text_service"] = "text_service"
    connected: bool
    healthy: bool
    sees: bool = Field(description="It looks at pictures: /v1/text/describe works.")
    model: str | None = Field(examples=["gemma-3-4b-it"])
    models: list[str] = Field(examples=[["gemma-3-4b-it"]], description="What it says it has.")
    detail: str | None = Field(default=None, examples=[None], description="What is wrong.")


class Turn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"] = Field(examples=["user"])
    content: Said = Field(examples=["Tell me of a harbour in two sentences."])


class Conversation(BaseModel):
    """`prompt` alone, or `messages`."""

    model_config = ConfigDict(extra="forbid")

    prompt: Said | None = Field(default=None, examples=["Tell me of a harbour in two sentences."])
    messages: Annotated[list[Turn], Field(min_length=1, max_length=32)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = Field(default=400, examples=[200])
    stream: bool = Field(default=True, description="As Server-Sent Events; else in one piece.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "Conversation":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give prompt, or messages, and not both")
        return self

    def turns(self) -> list[Message]:
        if self.messages is None:
            return [Message("user", self.prompt or "")]
        return [Message(one.role, one.content) for one in self.messages]


class TextPiece(BaseModel):
    object: Literal["text"] = "text"
    text: str = Field(examples=["A boat comes in."])


class PromptWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    prompt: Said = Field(examples=["a red sailboat --ar 3:2"])


class Proposals(BaseModel):
    """Prompts that can be drawn as they stand."""

    object: Literal["prompts"] = "prompts"
    prompts: list[str] = Field(examples=[["a red sailboat in golden evening light --ar 3:2"]])


class WeighedWord(BaseModel):
    word: str = Field(examples=["sailboat"])
    weight: Literal[-1, 0, 1] = Field(examples=[1], description="1 matters much, -1 can go.")


class ShorterPrompts(Proposals):
    words: list[WeighedWord]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/text", tags=["Text"], responses=refusals(404, 413))
    smith = services.wordsmith

    @router.get("", summary="Whether there is a text service, and how it is")
    async def get_text_service(who: Reader) -> TextService:
        return await _health(services)

    @router.post(
        "/generate", summary="Text, as it is written", responses=STREAM, response_model=TextPiece
    )
    async def generate_text(who: Writer, asked: Conversation) -> Response:
        """Sentence by sentence: each is screened before it is told. Events are `text`, then `done`, or
        `error` where it breaks off; what cannot begin is refused with a status."""
        said = smith.converse(who.person, asked.turns(), most_tokens=asked.max_tokens)
        if not asked.stream:
            async with aclosing(said):
                whole = "".join([sentence async for sentence in said])
            return JSONResponse(TextPiece(text=whole.strip()).model_dump())
        async with AsyncExitStack() as opened:
            opened.push_async_callback(said.aclose)
            first = await anext(said, "")
            return Stream(_lines(first, said), opened.pop_all())
        raise AssertionError("nothing above is swallowed")

    @router.post("/expand", summary="A longer prompt of the same meaning")
    async def expand_prompt(who: Writer, wish: PromptWish) -> Proposals:
        return Proposals(prompts=[await smith.expand(who.person, wish.prompt)])

    @router.post("/shorten", summary="Which words matter, and shorter prompts")
    async def shorten_prompt(who: Writer, wish: PromptWish) -> ShorterPrompts:
        found = await smith.shorten(who.person, wish.prompt)
        weighed = [WeighedWord(word=one.word, weight=one.weight) for one in found.words]  # type: ignore[arg-type]
        return ShorterPrompts(prompts=list(found.prompts), words=weighed)

    @router.post("/describe", summary="Prompts that could have led to a picture")
    async def describe_picture(
        who: Writer,
        picture: PictureFile = None,
        link: PictureLink = None,
    ) -> Proposals:
        smith.check(sees=True)
        data = await brought(services, picture, link)
        return Proposals(prompts=list(await smith.describe(who.person, data)))

    return router


async def _health(services: Services) -> TextService:
    settings, scribe = services.settings.text, services.scribe
    told = TextService(
        connected=scribe.connected,
        healthy=False,
        sees=scribe.connected and settings.sees,
        model=settings.model if scribe.connected else None,
        models=[],
    )
    try:
        models = list(await scribe.models())
    except (Refusal, Fault) as error:
        return told.model_copy(update={"detail": error.sentence})
    return told.model_copy(update={"healthy": True, "models": models})


async def _lines(first: str, rest: AsyncGenerator[str]) -> AsyncGenerator[bytes]:
    try:
        if first:
            yield _event(type="text", text=first)
        async for sentence in rest:
            yield _event(type="text", text=sentence)
        yield _event(type="done")
    except (Refusal, Fault) as error:
        yield _event(type="error", code=error.code, message=error.sentence)


def _event(**told: str) -> bytes:
    return format_sse_event(data_str=json.dumps(told))
