"""Requests and handshakes handed straight to the app; what would go on for ever is left in time."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

LEFT_AFTER_S = 60.0


@dataclass
class Answered:
    """`status` is 101 for a socket that was let in, 0 for who was let in and waits."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def code(self) -> str:
        """Of a problem, in whichever dialect."""
        try:
            told = json.loads(self.body)
        except ValueError:
            return ""
        if not isinstance(told, dict):
            return ""
        error = told.get("error") or told.get("properties") or told
        found = error.get("code", error.get("error", "")) if isinstance(error, dict) else ""
        return str(found)


async def ask(
    app: FastAPI, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b""
) -> Answered:
    told = [{"type": "http.request", "body": body, "more_body": False}]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": ("api", 80),
        "root_path": "",
    }
    gone = {"type": "http.disconnect"}
    return await _through(app, scope, path, headers, told=told, gone=gone)


async def knock(
    app: FastAPI, path: str, *, protocols: Sequence[str] = (), headers: Mapping[str, str]
) -> Answered:
    scope = {
        "type": "websocket",
        "subprotocols": list(protocols),
        "extensions": {"websocket.http.response": {}},
    }
    told = [{"type": "websocket.connect"}]
    gone = {"type": "websocket.disconnect", "code": 1001}
    return await _through(app, scope, path, headers, told=told, gone=gone)


async def _through(
    app: FastAPI,
    scope: dict[str, Any],
    path: str,
    headers: Mapping[str, str],
    *,
    told: list[dict[str, Any]],
    gone: dict[str, Any],
) -> Answered:
    answered, said = Answered(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if told:
            return told.pop(0)
        await said.wait()  # a client leaves once it has heard something
        return gone

    async def send(message: Any) -> None:
        _hear(answered, message)
        if message["type"] != "http.response.start" or _goes_on(answered):
            said.set()

    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    whole = scope | {"path": path, "headers": fields, "query_string": b"", "client": ("::1", 5)}
    try:
        async with asyncio.timeout(LEFT_AFTER_S):
            await app(whole, receive, send)
    except TimeoutError:
        return answered
    except Exception:
        if (
            answered.status != 500
        ):  # else it was answered as what nobody expected, and told to the log
            raise
    return answered


def _goes_on(answered: Answered) -> bool:
    return answered.headers.get("content-type", "").startswith("text/event-stream")


def _hear(answered: Answered, message: dict[str, Any]) -> None:
    answered.told.append(message)
    kind = message["type"]
    if kind == "websocket.accept":
        answered.status = 101
    elif kind.endswith("http.response.start"):
        answered.status = message["status"]
        answered.headers = {k.decode(): v.decode() for k, v in message["headers"]}
    elif kind.endswith("http.response.body"):
        answered.body += message.get("body", b"")
    elif kind == "websocket.send":
        answered.body += str(message.get("text", "")).encode()
