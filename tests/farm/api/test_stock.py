"""Loading and unloading: the operator's alone, written down, one wish for each worker."""

from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from farm.api.services import Services
from shared import lorarows, workers
from tests.farm.api.conftest import NewKey, Open


@pytest.fixture
async def operator(client_of: Open, new_key: NewKey) -> httpx.AsyncClient:
    return await client_of(await new_key("900", scopes=("read", "admin")))


async def up(services: Services, *names: str) -> None:
    async with services.database.begin() as session:
        for name in names:
            await workers.heartbeat(session, name, "cpu", 4, ["postcards"], draining=False)


async def test_every_worker_that_is_up_gets_a_wish(
    operator: httpx.AsyncClient, services: Services
) -> None:
    await up(services, "one", "two")
    answer = await operator.post("/v1/models/Postcards/load")
    assert answer.status_code == 202
    told = answer.json()["data"]
    assert {(one["worker"], one["name"], one["state"]) for one in told} == {
        ("one", "postcards", "open"),
        ("two", "postcards", "open"),
    }
    only = await operator.post("/v1/models/postcards/unload", json={"worker": "two"})
    assert [(one["worker"], one["action"]) for one in only.json()["data"]] == [("two", "unload")]
    listed = (await operator.get("/v1/models/postcards/wishes")).json()["data"]
    assert {(one["worker"], one["action"], one["state"]) for one in listed} == {
        ("one", "load", "open"),
        ("two", "load", "refused"),
        ("two", "unload", "open"),
    }
    async with services.database.read() as session:
        rows = await session.execute(text("select actor, action, subject from audit order by id"))
        assert [tuple(row) for row in rows] == [
            ("discord:900", "stock_load", "checkpoint:postcards"),
            ("discord:900", "stock_unload", "checkpoint:postcards"),
        ]


async def test_a_lora_is_named_by_its_number(
    operator: httpx.AsyncClient, client: httpx.AsyncClient, services: Services
) -> None:
    await up(services, "one")
    async with services.database.begin() as session:
        account = await session.scalar(text("select id from accounts where discord_id = '1001'"))
        row = {"account_id": account, "name": "ink", "checkpoint": "postcards", "size": 1}
        ink = await lorarows.add(session, **row, key=lorarows.new_key(), sha256="0" * 64)
    for action in ("load", "unload"):
        (told,) = (await operator.post(f"/v1/loras/{ink.id}/{action}")).json()["data"]
        assert (told["kind"], told["name"], told["action"]) == ("lora", ink.handle, action)
    listed = (await operator.get(f"/v1/loras/{ink.id}/wishes")).json()["data"]
    assert [one["action"] for one in listed] == ["unload", "load"]
    gone = await operator.post(f"/v1/loras/{uuid4()}/load")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_without_a_worker_nobody_could_do_it(
    operator: httpx.AsyncClient, services: Services
) -> None:
    answer = await operator.post("/v1/models/postcards/load")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_worker")
    await up(services, "one")
    answer = await operator.post("/v1/models/postcards/load", json={"worker": "two"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_worker")
    assert "Up are: one." in answer.json()["detail"]
    answer = await operator.post("/v1/models/dalle/load")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("keyed", "status"),
    [
        ({"scopes": ("read", "draw", "upload")}, 403),
        ({"scopes": ("read", "moderate"), "guild_id": "12", "rank": 3}, 403),
        ({"scopes": ("read", "admin", "moderate"), "guild_id": "12", "rank": 3}, 403),
    ],
)
async def test_nobody_else_may(
    client_of: Open, new_key: NewKey, services: Services, keyed: dict[str, object], status: int
) -> None:
    await up(services, "one")
    client = await client_of(await new_key(**keyed))
    for path in ("models/postcards/load", "models/postcards/unload", f"loras/{uuid4()}/load"):
        assert (await client.post(f"/v1/{path}")).status_code == status
    assert (await client.get("/v1/models/postcards/wishes")).status_code == status
