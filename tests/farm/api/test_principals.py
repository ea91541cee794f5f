"""A key opens what it is for, and nothing else."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from farm.api.app import create_app
from farm.api.principals import Drawer, Reader
from farm.api.services import Services
from tests.farm.api.conftest import NewKey, Open


@pytest.fixture
def app(services: Services) -> FastAPI:
    app = create_app(services)

    @app.get("/probe/read")
    async def read(who: Reader) -> str:
        return who.person.discord_id

    @app.get("/probe/draw")
    async def draw(who: Drawer) -> str:
        return who.person.discord_id

    return app


async def test_a_key_is_its_owner(client: httpx.AsyncClient) -> None:
    assert (await client.get("/probe/read")).json() == "1001"


async def test_a_stranger_is_told_what_to_send(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/probe/read")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["nonsense", "pk_live_" + "a" * 43, "hf_whatever"])
async def test_a_key_that_is_none_is_refused(client_of: Open, key: str) -> None:
    answer = await (await client_of(key)).get("/probe/read")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_key")


async def test_a_key_past_its_time_is_refused(client_of: Open, new_key: NewKey) -> None:
    key = await new_key(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert (await (await client_of(key)).get("/probe/read")).status_code == 401


async def test_a_key_without_the_scope_is_refused(client_of: Open, new_key: NewKey) -> None:
    client = await client_of(await new_key(scopes=("read",)))
    assert (await client.get("/probe/read")).status_code == 200
    answer = await client.get("/probe/draw")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("header", "before"),
    [("mj-api-secret", ""), ("apikey", ""), ("Authorization", ""), ("Authorization", "bearer ")],
)
async def test_a_key_is_known_where_other_dialects_put_it(
    stranger: httpx.AsyncClient, new_key: NewKey, header: str, before: str
) -> None:
    answer = await stranger.get("/probe/read", headers={header: before + await new_key()})
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["mj-api-secret", "apikey", "Authorization"])
async def test_an_empty_header_is_no_key(stranger: httpx.AsyncClient, header: str) -> None:
    answer = await stranger.get("/probe/read", headers={header: " "})
    assert answer.json()["code"] == "not_signed_in"
