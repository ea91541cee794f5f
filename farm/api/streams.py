"""Server-Sent Events of whoever is followed. Each is unnamed, with its type inside: a browser's EventSource
takes an event called `error` for the end of the line."""

import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from farm.api.follower import Follower
from farm.api.told import Told
from shared.errors import Fault

log = logging.getLogger(__name__)

Words = Callable[[Told], Awaitable[dict[str, Any]]]
COME_BACK_MS = 1_000
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}  # a proxy must not hold them back


class Stream(StreamingResponse):
    """Closes what it was opened on, however it ends. Of a route that returns one, where fastapi's own is of
    one that yields: this way a refusal is an answer of its own, and so is "everything was told"."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncGenerator[bytes], opened: AsyncExitStack) -> None:
        super().__init__(content, headers=HEADERS)
        self._content, self._opened = content, opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._opened, aclosing(self._content):
            await super().__call__(scope, receive, send)


def told_as_events(description: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI description in which a stream is of events, whose data are what its route says."""
    for operation in (one for path in description["paths"].values() for one in path.values()):
        for reply in operation["responses"].values():
            told = reply.get("content", {}).get(Stream.media_type)
            if told and "$ref" in told["schema"]:
                told["schema"] = _event_of(told["schema"]["$ref"])
    return description


def _event_of(words: str) -> dict[str, Any]:
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": words},
    }
    return {"type": "object", "properties": {"id": {"type": "string"}, "data": data}}


async def streamed(following: AbstractAsyncContextManager[Follower], words: Words) -> Response:
    """No content tells a browser that has heard everything not to come back."""
    async with AsyncExitStack() as stack:
        follower = await stack.enter_async_context(following)
        if follower.done:
            return Response(status_code=204)
        return Stream(_lines(follower, words), stack.pop_all())
    raise AssertionError("nothing above is swallowed")


async def _lines(follower: Follower, words: Words) -> AsyncGenerator[bytes]:
    yield format_sse_event(retry=COME_BACK_MS)
    async with aclosing(follower.read()) as told:
        async for one in told:
            if one is None:
                yield KEEPALIVE_COMMENT
                continue
            try:
                said = json.dumps(await words(one))
            except Fault as fault:  # it was not told: the client comes back for it
                log.warning("A stream ends early: %s (%s)", fault.sentence, fault.code)
                return
            yield format_sse_event(data_str=said, id=one.id)
