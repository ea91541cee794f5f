"""Pages of other origins, sockets, and what browsers are told of every answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from farm.api.app import create_app
from farm.api.credentials import chosen
from farm.api.principals import Drawer, Reader
from farm.api.services import Services
from shared.config import ApiSettings, Settings
from tests.farm.api.conftest import PEPPER, NewKey, Open

FRIEND, STRANGE = "https://studio.example", "https://evil.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    api = ApiSettings(pepper=PEPPER, cors_origins=(FRIEND,), public_url="https://pictor.example")
    return settings.model_copy(update={"api": api})


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    @app.websocket("/probe/read")
    async def read(socket: WebSocket, who: Reader) -> None:
        await socket.accept(subprotocol=chosen(socket))
        await socket.send_text(who.person.discord_id)
        await socket.close()

    @app.websocket("/probe/draw")
    async def draw(socket: WebSocket, who: Drawer) -> None:
        raise AssertionError(f"{who} came in")

    return app


async def socket(
    app: FastAPI, path: str = "/probe/read", protocols: Sequence[str] = (), **headers: str
) -> list[dict[str, Any]]:
    """All that a socket is sent."""
    sent: list[dict[str, Any]] = []
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": path,
        "headers": fields,
        "query_string": b"",
        "subprotocols": list(protocols),
        "client": ("127.0.0.1", 5),
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_a_socket_opens_with_a_key_in_a_header_or_a_protocol(
    app: FastAPI, new_key: NewKey
) -> None:
    key = await new_key()
    by_header = await socket(app, authorization=f"Bearer {key}")
    assert [one["type"] for one in by_header[:2]] == ["websocket.accept", "websocket.send"]
    by_protocol = await socket(app, protocols=("pictor.v1", f"pictor.key.{key}"))
    assert by_protocol[0]["subprotocol"] == "pictor.v1"  # and the key is not sent back
    assert by_protocol[1]["text"] == "1001"


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        (None, "/probe/read", 401),
        ("pk_live_" + "a" * 43, "/probe/read", 401),
        ("own", "/probe/draw", 403),
    ],
)
async def test_a_socket_without_the_right_key_is_told_why(
    app: FastAPI, new_key: NewKey, key: str | None, path: str, status: int
) -> None:
    shown = await new_key(scopes=("read",)) if key == "own" else key
    sent = await socket(app, path, authorization=f"Bearer {shown}" if shown else "")
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == status


async def test_a_key_in_the_address_is_none(client_of: Open, new_key: NewKey) -> None:
    key = await new_key()
    stranger = await client_of(None)
    for name in ("key", "api_key", "token", "access_token"):
        assert (await stranger.get("/v1/me", params={name: key})).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [(STRANGE, 403), ("null", 403), (FRIEND, None), ("https://pictor.example", None)],
)
async def test_a_strangers_page_opens_no_socket(
    app: FastAPI, new_key: NewKey, origin: str, status: int | None
) -> None:
    sent = await socket(app, authorization=f"Bearer {await new_key()}", origin=origin)
    assert sent[0].get("status") == status


async def test_only_named_origins_may_read_answers(stranger: httpx.AsyncClient) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for origin, allowed in ((FRIEND, True), (STRANGE, False)):
        before = await stranger.options("/v1/keys", headers={"Origin": origin} | asks)
        answer = await stranger.get("/v1/me", headers={"Origin": origin})
        for told in (before, answer):
            assert (told.headers.get("access-control-allow-origin") == origin) is allowed
            assert "access-control-allow-credentials" not in told.headers
        if allowed:
            assert "RateLimit" in answer.headers["access-control-expose-headers"]


async def test_browsers_are_told_to_be_careful(
    stranger: httpx.AsyncClient, services: Services
) -> None:
    for path in ("/v1/me", "/nowhere", "/healthz"):
        headers = (await stranger.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"] == "max-age=31536000"
    docs = await stranger.get("/docs")
    assert "script-src 'self' 'unsafe-inline'" in docs.headers["content-security-policy"]
    plain = replace(services, settings=services.settings.model_copy(update={"api": ApiSettings()}))
    transport = httpx.ASGITransport(create_app(plain))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert "strict-transport-security" not in (await client.get("/healthz")).headers
