"""A receiver of webhooks over a real socket, which fails, falls silent and dies as it is told to."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

CUT = 0  # takes it, and breaks off without a word
HAS = (CUT, 204)


@dataclass(frozen=True)
class Told:
    """One try. `status` is what the receiver said to it, or CUT."""

    headers: dict[str, str]
    body: str
    status: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.content["type"]

    def is_signed_by(self, secret: str) -> bool:
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """`says` decides about each try; `headers` go with every answer. Who has the `secret` verifies at once:
    five minutes later every signature is too old."""

    says: Callable[[], int] = lambda: 204
    headers: Sequence[str] = ()
    told: list[Told] = field(default_factory=list)
    known: set[str] = field(default_factory=set)  # ids of what it has
    secret: str | None = None
    forged: list[Told] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/told"

    @property
    def taken(self) -> list[Told]:
        """What it has, whether or not it could say so."""
        return [one for one in self.told if one.status in HAS]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """At once, with everything that is on its way."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def until(self, there: Callable[[], object], *, within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while not there():
                await asyncio.sleep(0.01)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            status = self._note(*await _read(reader))
            if status != CUT:
                more = "".join(f"{line}\r\n" for line in self.headers)
                writer.write(f"HTTP/1.1 {status} Said\r\n{more}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    def _note(self, headers: dict[str, str], body: str) -> int:
        status = self.says()
        told = Told(headers, body, status)
        self.told.append(told)
        if status in HAS:
            self.known.add(told.id)
        if self.secret is not None and not told.is_signed_by(self.secret):
            self.forged.append(told)
        return status


async def _read(reader: asyncio.StreamReader) -> tuple[dict[str, str], str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
    pairs = [line.split(": ", 1) for line in head if line]
    headers = {name.lower(): value for name, value in pairs}
    return headers, (await reader.readexactly(int(headers["content-length"]))).decode()
