"""The edge of the world: a small server that speaks OpenAI's chat completions and says what a test wants."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shared.config import TextSettings

Json = dict[str, Any]
STEP = 7  # characters of one piece


@dataclass
class Reply:
    """`breaks`: the line goes down in the middle. `hangs`: it never says its second half."""

    text: str = ""
    status: int = 200
    breaks: bool = False
    hangs: bool = False
    raw: str = ""  # sent instead of chunks


@dataclass
class TextService:
    """Says its replies one after the other, the last one for ever; keeps what it was asked."""

    replies: deque[Reply] = field(default_factory=deque)
    asked: list[Json] = field(default_factory=list)
    closed: int = 0
    url: str = ""

    def will_say(self, *texts: str) -> None:
        self.replies = deque(Reply(text) for text in texts)

    def will(self, *replies: Reply) -> None:
        self.replies = deque(replies)

    def settings(self, **changes: Any) -> TextSettings:
        return TextSettings(url=self.url, timeout_s=20, **changes)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json() | {"key": request.headers.get("Authorization")})
        reply = self.replies[0] if len(self.replies) == 1 else self.replies.popleft()
        if reply.status != 200:
            return web.json_response({"error": {"message": "no"}}, status=reply.status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(request, response, reply)
        except (ConnectionError, asyncio.CancelledError):
            self.closed += 1
            raise
        return response

    async def models(self, _: web.Request) -> web.Response:
        model = {"id": "gemma", "object": "model", "created": 0, "owned_by": "tests"}
        return web.json_response({"object": "list", "data": [model]})

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, reply: Reply
    ) -> None:
        pieces = [reply.text[at : at + STEP] for at in range(0, len(reply.text), STEP)]
        half = len(pieces) // 2
        for number, piece in enumerate(pieces):
            if number == half and reply.breaks and request.transport is not None:
                request.transport.abort()
            if number == half and reply.hangs:
                await asyncio.sleep(60)
            await response.write(f"data: {json.dumps(chunk(piece))}\n\n".encode())
        await response.write((reply.raw or "data: [DONE]").encode() + b"\n\n")


def chunk(text: str) -> Json:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {
        "id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice],
    }  # fmt: skip


def listed(*prompts: str, **more: Any) -> str:
    return json.dumps({"prompts": prompts, **more})


@asynccontextmanager
async def text_service() -> AsyncIterator[TextService]:
    service, app = TextService(), web.Application(client_max_size=2**24)
    app.router.add_post("/v1/chat/completions", service.answer)
    app.router.add_get("/v1/models", service.models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield service
    await runner.cleanup()
