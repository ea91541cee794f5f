"""Keys are shown once, give no more than one has, and open nothing once they are revoked."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from farm.api.services import Services
from shared.apikeys import USUAL, Scope
from shared.moderation import chain
from tests.farm.api.conftest import NewKey, Open

JSON = {"Content-Type": "application/json"}


async def made(client: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await client.post("/v1/keys", json={"name": "a key"} | wanted)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/keys/{answer.json()['id']}"
    told: dict[str, Any] = answer.json()
    return told


async def test_a_new_key_opens_and_is_shown_once(
    client: httpx.AsyncClient, client_of: Open
) -> None:
    new = await made(client, scopes=["keys", "read"], expires_in_days=7)
    assert new["scopes"] == ["read", "keys"]
    lasts = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(lasts - timedelta(days=7)) < timedelta(seconds=5)
    mine = await client_of(new["key"])
    assert (await mine.get("/v1/me")).json()["key"]["id"] == new["id"]
    listed = (await mine.get("/v1/keys")).json()["data"]
    assert listed[0]["id"] == new["id"]
    assert new["key"] not in str(listed)
    assert listed[0]["last_used_at"] is not None
    assert (await mine.get(f"/v1/keys/{new['id']}")).json()["prefix"] == new["key"][:12]


async def test_nobody_gives_more_than_they_have(client: httpx.AsyncClient) -> None:
    for scope in ("moderate", "admin"):
        answer = await client.post("/v1/keys", json={"name": "more", "scopes": ["read", scope]})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
        assert (answer.json()["field"], scope in answer.json()["detail"]) == ("scopes", True)


async def test_a_name_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    for name in ("", " ", "a\x00b", "two\nlines", "\ud800", "x" * 81):
        body = json.dumps({"name": name})
        answer = await client.post("/v1/keys", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["field"]) == (422, "name"), name


async def test_a_revoked_key_is_worth_nothing(client: httpx.AsyncClient, client_of: Open) -> None:
    new = await made(client)
    other = await client_of(new["key"])
    assert (await other.get("/v1/me")).status_code == 200
    assert (await client.delete(f"/v1/keys/{new['id']}")).status_code == 204
    assert (await other.get("/v1/me")).status_code == 401
    again = await client.delete(f"/v1/keys/{new['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


async def test_a_turned_key_keeps_what_it_was_and_overlaps(
    client: httpx.AsyncClient, client_of: Open
) -> None:
    old = await made(client, scopes=["read"], expires_in_days=3)
    answer = await client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 60})
    new = answer.json()
    assert (new["name"], new["scopes"]) == ("a key", ["read"])
    assert new["key"] != old["key"]
    for secret in (old["key"], new["key"]):
        assert (await (await client_of(secret)).get("/v1/me")).status_code == 200
    newest = (await client.post(f"/v1/keys/{new['id']}/rotate")).json()
    assert (await (await client_of(new["key"])).get("/v1/me")).status_code == 401
    assert (await (await client_of(newest["key"])).get("/v1/me")).status_code == 200


async def test_turning_a_key_is_no_way_to_more(client_of: Open, new_key: NewKey) -> None:
    """The secret of a stronger key of the same person is not for a weaker one."""
    strong = await new_key("1001", scopes=(*USUAL, Scope.ADMIN), name="strong")
    weak = await client_of(await new_key("1001"))
    ids = {one["name"]: one["id"] for one in (await weak.get("/v1/keys")).json()["data"]}
    answer = await weak.post(f"/v1/keys/{ids['strong']}/rotate")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (await (await client_of(strong)).get("/v1/me")).status_code == 200


async def test_a_moderators_key_is_not_turned_from_another_server(
    client_of: Open, new_key: NewKey
) -> None:
    staff = (*USUAL, Scope.MODERATE)
    await new_key("1001", scopes=staff, guild_id="g1", rank=2, name="there")
    here = await client_of(await new_key("1001", scopes=staff, guild_id="g2", rank=2))
    ids = {one["name"]: one["id"] for one in (await here.get("/v1/keys")).json()["data"]}
    assert (await here.post(f"/v1/keys/{ids['there']}/rotate")).status_code == 403


async def test_others_keys_are_not_found(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey
) -> None:
    new = await made(client)
    other = await client_of(await new_key("2002"))
    for ask in (
        other.get(f"/v1/keys/{new['id']}"),
        other.delete(f"/v1/keys/{new['id']}"),
        other.post(f"/v1/keys/{new['id']}/rotate"),
    ):
        assert (await ask).status_code == 404


async def test_there_is_an_end_to_keys(client: httpx.AsyncClient) -> None:
    for _ in range(19):
        await made(client)
    answer = await client.post("/v1/keys", json={"name": "one more"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")


async def test_a_moderator_not_seen_for_a_day_is_none(client_of: Open, new_key: NewKey) -> None:
    told = {"scopes": ("read", "moderate"), "guild_id": "g1", "rank": 2}
    seen = await client_of(await new_key("1001", **told))
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    unseen = await client_of(await new_key("1001", **told, seen_at=long_ago))
    assert (await seen.get("/v1/me")).json()["moderator"] == "moderator"
    assert (await unseen.get("/v1/me")).json()["moderator"] == "none"


async def test_the_book_tells_of_keys_and_of_no_secret(
    client: httpx.AsyncClient, services: Services
) -> None:
    new = await made(client)
    await client.delete(f"/v1/keys/{new['id']}")
    async with services.database.read() as session:
        entries = [entry async for entry in chain.entries(session, since=None, until=None)]
    told = [(entry.action, entry.subject) for entry in entries]
    assert told == [(f"key_{what}", f"key:{new['id']}") for what in ("made", "revoked")]
    assert new["key"] not in str(entries)
