"""The text service's door: OpenAI's chat completions, over one model that is loaded at the first question."""

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from farm.text.bodies import Completion, Envelope, Turn, error_body, turns_of
from shared.errors import Fault, Refusal

log = logging.getLogger(__name__)

MOST_BYTES = 24 * 2**20
MOST_WAITING = 8  # questions; one is answered at a time


class Speech(Protocol):
    @property
    def words(self) -> Iterator[str]: ...
    @property
    def asked(self) -> int: ...
    @property
    def said(self) -> int: ...
    @property
    def broke(self) -> BaseException | None: ...
    def stop(self) -> None: ...
    def wait(self) -> None: ...
    @property
    def ended(self) -> str: ...


class Speaker(Protocol):
    def speak(self, turns: tuple[Turn, ...], wish: Completion, *, within_s: float) -> Speech: ...


class Desk:
    """One question at a time; a few may wait. `open_speaker` is called once, by the first."""

    def __init__(self, open_speaker: Callable[[], Speaker], within_s: float) -> None:
        self._open, self._within_s = open_speaker, within_s
        self._speaker: Speaker | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def loaded(self) -> bool:
        return self._speaker is not None

    @asynccontextmanager
    async def speech(self, wish: Completion) -> AsyncIterator[Speech]:
        """Whoever goes away ends it; the next one begins when its thread is through."""
        if self._waiting >= MOST_WAITING:
            raise Fault("busy", "Too many questions wait. Try again in a moment.", retryable=True)
        self._waiting += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self._waiting -= 1
            raise
        beginning = asyncio.create_task(asyncio.to_thread(self._begin, wish))
        try:
            yield await asyncio.shield(beginning)
        finally:
            ending = asyncio.create_task(self._end(beginning))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _end(self, beginning: asyncio.Task[Speech]) -> None:
        """A task of its own: who went away cannot wait for it."""
        try:
            speech = await beginning
            speech.stop()
            await asyncio.to_thread(speech.wait)
        except (Refusal, Fault):
            log.debug("a question ended before it began")
        finally:
            self._turn.release()
            self._waiting -= 1

    def _begin(self, wish: Completion) -> Speech:
        turns = turns_of(wish)
        if self._speaker is None:
            self._speaker = self._open()
        return self._speaker.speak(turns, wish, within_s=self._within_s)


def create_app(
    open_speaker: Callable[[], Speaker], *, name: str, key: str | None, within_s: float
) -> FastAPI:
    app = FastAPI(title="Pictor's text service", docs_url=None, redoc_url=None, openapi_url=None)
    desk = Desk(open_speaker, within_s)

    @app.middleware("http")
    async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        refused = None if request.url.path == "/healthz" else refusal_of(request, key)
        return refused or await answer(request)

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> JSONResponse:
        return JSONResponse(error_body(refusal.code, refusal.sentence), 400)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        places = [".".join(map(str, one["loc"][1:])) + f": {one['msg']}" for one in error.errors()]
        return JSONResponse(error_body("invalid_request", "; ".join(places)[:500]), 400)

    @app.exception_handler(Fault)
    async def failed(_: Request, fault: Fault) -> JSONResponse:
        busy = fault.code == "busy"
        return JSONResponse(error_body(fault.code, fault.sentence), 429 if busy else 503)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"model": name, "loaded": desk.loaded})

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "pictor"}
        return JSONResponse({"object": "list", "data": [model]})

    @app.post("/v1/chat/completions", response_model=None)
    async def complete(wish: Completion) -> Response:
        envelope = Envelope(f"chatcmpl-{uuid4().hex}", name)
        return await (_stream if wish.stream else _whole)(desk, wish, envelope)

    return app


def refusal_of(request: Request, key: str | None) -> JSONResponse | None:
    """Before a byte of the body is read."""
    told = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key is not None and not hmac.compare_digest(told.encode(), key.encode()):
        return JSONResponse(error_body("invalid_api_key", "The key is not the right one."), 401)
    length = request.headers.get("Content-Length", "0")
    if request.method == "POST" and not (length.isdecimal() and 0 < int(length) <= MOST_BYTES):
        sentence = f"A body says its length, and {MOST_BYTES >> 20} MB are the most."
        return JSONResponse(error_body("body_too_large", sentence), 413)
    return None


async def _whole(desk: Desk, wish: Completion, envelope: Envelope) -> Response:
    async with desk.speech(wish) as speech:
        text = "".join([piece async for piece in _pieces(speech)])
        told = envelope.whole(text, speech.ended, asked=speech.asked, said=speech.said)
    return JSONResponse(told)


async def _stream(desk: Desk, wish: Completion, envelope: Envelope) -> Response:
    """The first piece is there before the answer begins: until then it can be a clear refusal."""
    lines = _lines(desk, wish, envelope)
    first = await anext(lines)
    return StreamingResponse(_after(first, lines), media_type="text/event-stream")


async def _lines(desk: Desk, wish: Completion, envelope: Envelope) -> AsyncIterator[str]:
    async with desk.speech(wish) as speech:
        yield _line(envelope.piece(""))
        try:
            async for piece in _pieces(speech):
                yield _line(envelope.piece(piece))
        except Fault as fault:
            yield _line(error_body(fault.code, fault.sentence))
            return
        yield _line(envelope.piece(None, speech.ended))
        yield "data: [DONE]\n\n"


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in rest:
        yield line


async def _pieces(speech: Speech) -> AsyncIterator[str]:
    while (piece := await asyncio.to_thread(next, speech.words, None)) is not None:
        if piece:
            yield piece
    if speech.broke is not None:
        raise Fault("model_broke", "The model broke off. Try again.", retryable=True)


def _line(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
