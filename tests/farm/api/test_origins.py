"""Pages of other origins, sockets, and what browsers are told of every answer."""

from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from farm.api.app import create_app
from farm.api.credentials import chosen
from farm.api.principals import Drawer, Reader
from farm.api.services import Services
from shared.config import ApiSettings, Settings
from tests.farm.api.conftest import PEPPER, NewKey, Open
from tests.farm.api.direct import knock

PROBE = "/probe/read"
FRIEND, STRANGE = "https://studio.example", "https://evil.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    api = ApiSettings(pepper=PEPPER, cors_origins=(FRIEND,), public_url="https://pictor.example")
    return settings.model_copy(update={"api": api})


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = create_app(services)

    @app.websocket(PROBE)
    async def read(socket: WebSocket, who: Reader) -> None:
        await socket.accept(subprotocol=chosen(socket))
        await socket.send_text(who.person.discord_id)
        await socket.close()

    @app.websocket("/probe/draw")
    async def draw(socket: WebSocket, who: Drawer) -> None:
        raise AssertionError(f"{who} came in")

    return app


def bearing(key: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


async def test_a_socket_opens_with_a_key_in_a_header_or_a_protocol(
    app: FastAPI, new_key: NewKey
) -> None:
    key = await new_key()
    by_header = (await knock(app, PROBE, headers=bearing(key))).told
    assert [one["type"] for one in by_header[:2]] == ["websocket.accept", "websocket.send"]
    asked = ("pictor.v1", f"pictor.key.{key}")
    by_protocol = (await knock(app, PROBE, protocols=asked, headers={})).told
    assert by_protocol[0]["subprotocol"] == "pictor.v1"  # and the key is not sent back
    assert by_protocol[1]["text"] == "1001"


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        (None, PROBE, 401),
        ("pk_live_" + "a" * 43, PROBE, 401),
        ("own", "/probe/draw", 403),
    ],
)
async def test_a_socket_without_the_right_key_is_told_why(
    app: FastAPI, new_key: NewKey, key: str | None, path: str, status: int
) -> None:
    shown = await new_key(scopes=("read",)) if key == "own" else key
    answered = await knock(app, path, headers=bearing(shown))
    assert answered.told[0]["type"] == "websocket.http.response.start"
    assert answered.status == status


async def test_a_key_in_the_address_is_none(client_of: Open, new_key: NewKey) -> None:
    key = await new_key()
    stranger = await client_of(None)
    for name in ("key", "api_key", "token", "access_token"):
        assert (await stranger.get("/v1/me", params={name: key})).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [(STRANGE, 403), ("null", 403), (FRIEND, 101), ("https://pictor.example", 101)],
)
async def test_a_strangers_page_opens_no_socket(
    app: FastAPI, new_key: NewKey, origin: str, status: int
) -> None:
    headers = bearing(await new_key()) | {"origin": origin}
    assert (await knock(app, PROBE, headers=headers)).status == status


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
