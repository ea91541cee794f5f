"""Usage and billing by whose they are; and /v1/verify, which tells a stranger less."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from farm.api.services import Services
from shared.moderation.ranks import Rank
from shared.storage import LocalStore
from tests.bot.test_verify import TOLD, Attestor
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.v1.test_own_pictures import drawn, seen


async def reported(client: httpx.AsyncClient, name: str = "usage", **query: Any) -> dict[str, Any]:
    return await seen(client, f"/v1/reports/{name}", **query)


async def test_everybody_sees_their_own_figures_and_no_others(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    job = await drawn(services)
    await drawn(services, "1002")
    mine = await reported(client)
    assert (mine["total"]["jobs"], mine["total"]["pictures"]) == (1, 4)
    assert mine["total"]["charged_ms"] == 900
    assert [row["key"] for row in mine["data"]] == [f"{job.submitted_at:%Y-%m-%d}"]
    bill = await reported(client, "billing", by="model")
    assert (bill["total"]["settled_ms"], bill["total"]["held_ms"]) == (900, job.estimate_ms)
    nobody = await client_of(await new_key("1003"))
    assert (await reported(nobody))["data"] == []


async def test_a_server_s_figures_are_for_its_admins(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    await drawn(services)
    await drawn(services, "1002")
    staff = {"scopes": ("read", "moderate"), "guild_id": "77"}
    admin = await client_of(await new_key("9", rank=int(Rank.ADMIN), **staff))
    told = await reported(admin, of="server", by="user")
    assert {row["key"] for row in told["data"]} == {"1001", "1002"}
    other = {"scopes": ("read", "moderate"), "guild_id": "78"}
    elsewhere = await client_of(await new_key("8", rank=int(Rank.ADMIN), **other))
    assert (await reported(elsewhere, of="server", by="user"))["data"] == []
    for key in (
        await new_key("1001", guild_id="77"),
        await new_key("7", rank=int(Rank.MODERATOR), **staff),
    ):
        answer = await (await client_of(key)).get("/v1/reports/usage?of=server")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    farm = await admin.get("/v1/reports/usage?of=farm")
    assert (farm.status_code, farm.json()["code"]) == (403, "not_allowed")


async def test_the_operator_sees_the_whole_farm_and_is_written_down(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    await drawn(services)
    await drawn(services, "1002")
    operator = await client_of(await new_key("9", scopes=("admin",)))
    assert (await reported(operator, of="farm", by="guild"))["total"]["jobs"] == 2
    table = await operator.get("/v1/reports/usage?of=farm&by=user&format=csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    assert table.text.splitlines()[0].startswith("user,name,jobs,")


NO_STRETCHES = [
    ({"from": "yesterday"}, "bad_moment", "from"),
    ({"from": "2026-12-01", "to": "2026-11-01"}, "bad_span", "from"),
    ({"by": "colour"}, "invalid_request", "by"),
    ({"colour": "red"}, "invalid_request", "colour"),
    ({"to": "\0"}, "bad_moment", "to"),
]


async def test_what_is_no_stretch_is_refused_by_its_field(
    client: httpx.AsyncClient,
) -> None:
    for query, code, field in NO_STRETCHES:
        answer = await client.get("/v1/reports/usage", params=query)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
            422,
            code,
            field,
        )


# --- verify ----------------------------------------------------------------------------------


@pytest.fixture
async def attestor(services: Services) -> AsyncIterator[Attestor]:
    assert isinstance(services.store, LocalStore)
    made = Attestor(services.database, services.store)
    loop = asyncio.create_task(made.for_ever())
    yield made
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop


async def verified(client: httpx.AsyncClient, **sent: Any) -> dict[str, Any]:
    answer = await client.post("/v1/verify", files={"picture": b"a picture"})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_whose_it_was_is_for_its_owner_and_the_server_s_moderators(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, attestor: Attestor
) -> None:
    job = str(uuid4())
    attestor.answer = msgspec.structs.replace(TOLD, job=job, owner="1001", guild="77")
    mod = {"scopes": ("read", "moderate"), "rank": int(Rank.MODERATOR)}
    keys = {
        "stranger": await new_key("1002"),
        "moderator": await new_key("9", guild_id="77", **mod),
        "elsewhere": await new_key("8", guild_id="78", **mod),
    }
    told = {name: (await verified(await client_of(key)))["job"] for name, key in keys.items()}
    told["owner"] = (await verified(client))["job"]
    assert told == {"stranger": None, "moderator": job, "elsewhere": None, "owner": job}
    assert attestor.seen[0] == b"a picture"


async def test_nothing_to_look_at_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/verify")
    assert (answer.status_code, answer.json()["code"]) == (422, "no_picture_given")
    inside = await client.post("/v1/verify", data={"link": "https://127.0.0.1/x.png"})
    assert (inside.status_code, inside.json()["code"]) == (422, "bad_link")
    large = await client.post("/v1/verify", files={"picture": bytes(10 * 2**20 + 1)})
    assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
