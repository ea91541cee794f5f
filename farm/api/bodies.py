"""Middleware: how much a request may carry, and how deep: told before a route or its parser sees any of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import accumulate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.api import problems
from shared.config import ApiSettings
from shared.errors import Refusal

DEEPEST = 32  # levels of JSON
MOST_PARTS = 20_000  # objects and lists of one JSON
WITHIN_S = 60.0  # a body that is read whole must be here by then
# What carries pictures as text. Everything else that is JSON is small.
WITH_PICTURES = (
    "/v1/jobs",
    "/v1/predictions",
    "/v1/batches",
    "/v1/blends",
    "/v1/upscales",
    "/v1/quotes",
    "/v1/images",
    "/v1/text",
    "/v1/verify",
    "/mj",  # and /mj-relax, /mj-fast, /mj-turbo
    "/api/v2/",
)
LORAS = "/v1/loras"
FILES = ("multipart/form-data", "application/octet-stream", "image/")
_STEP = dict(zip(b"[{]}", (1, 1, -1, -1), strict=True))
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Possessive, and the end may be missing: no text makes it look twice at a byte.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class BodyLimits:
    """Answers 413, 408, or 422 for what is too deep. Chunked bodies are counted as they come.

    A form is read before anybody looks at the key, so only who `may_bring` a LoRA may send one that large.
    """

    def __init__(
        self, app: ASGIApp, *, settings: ApiSettings, may_bring: Callable[[Scope], Awaitable[bool]]
    ) -> None:
        self._app, self._settings, self._may_bring = app, settings, may_bring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._within(scope, receive, send)
        except Refusal as refusal:
            await problems.answer(problems.problem_of(refusal))(scope, receive, send)

    async def _within(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, most = _header(scope, b"content-type"), await self._most(scope)
        if _declared(scope) > most:
            raise _too_large(most)
        if kind.startswith(FILES):
            await Counted(receive, send, most).through(self._app, scope)
            return
        body = await _read(receive, most)
        if not kind or "json" in kind:
            check_depth(body)
        await self._app(scope, _replayed(body, receive), send)

    async def _most(self, scope: Scope) -> int:
        """Bytes."""
        is_file = _header(scope, b"content-type").startswith(FILES)
        if is_file and scope["path"] == LORAS and await self._may_bring(scope):
            return self._settings.max_lora_bytes
        large = is_file or scope["path"].startswith(WITH_PICTURES)
        return self._settings.max_upload_bytes if large else self._settings.max_body_bytes


class Counted:
    """A body that is handed on in pieces, up to so many bytes. Parsers turn what is raised in the middle
    into an answer of their own, so that one is held back."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._seen, self._started = 0, False

    async def through(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._count, self._tell)
        except Refusal:
            if not self._is_over:
                raise
        if self._is_over and not self._started:
            raise _too_large(self._most)

    @property
    def _is_over(self) -> bool:
        return self._seen > self._most

    async def _count(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._is_over:
            raise _too_large(self._most)
        return message

    async def _tell(self, message: Message) -> None:
        if self._started or not self._is_over:
            self._started = True
            await self._send(message)


def check_depth(body: bytes) -> None:
    """Refusal `too_deep`. Cheap, whatever the bytes are."""
    brackets = _STRINGS.sub(b"", body).translate(None, _NO_BRACKETS)
    if len(brackets) > 2 * MOST_PARTS or _deepest(brackets) > DEEPEST:
        sentence = f"JSON is taken to {DEEPEST} levels and {MOST_PARTS:,} objects and lists."
        raise Refusal("too_deep", sentence, field="body")


def _deepest(brackets: bytes) -> int:
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


async def _read(receive: Receive, most: int) -> bytes:
    """Whole; what came before a client left is handed on as it is."""
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(WITHIN_S):
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        sentence = f"The body did not arrive within {WITHIN_S:.0f} s. Send it again."
        raise Refusal("too_slow", sentence, field="body") from None
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _header(scope: Scope, name: bytes) -> str:
    return next(
        (value.decode("latin-1").lower() for key, value in scope["headers"] if key == name), ""
    )


def _declared(scope: Scope) -> int:
    told = _header(scope, b"content-length")
    return int(told) if told.isdecimal() else 0


def _too_large(most: int) -> Refusal:
    sentence = f"This takes at most {most:,} bytes. Send less, or the picture as a link."
    return Refusal("too_large", sentence, field="body")
