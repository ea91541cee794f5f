"""Receipts, galleries, favourites and preferences: one's own, and of others what is public."""

from typing import Any
from uuid import uuid4

import httpx

from farm.api.services import Services
from shared.jobs import Job, Visibility
from shared.orders import Ask, Person, Venue
from shared.safety.verdict import Decision, Verdict
from tests.farm.api.conftest import NewKey, Open
from tests.shared.test_admission import pictured


async def drawn(
    services: Services, discord_id: str = "1001", permit: Verdict | None = None, **fields: Any
) -> Job:
    """A finished grid that was asked for on server 77."""
    person = Person(discord_id, f"Person {discord_id}", "pro")
    venue = fields.pop("venue", Venue("77"))
    ask = Ask("imagine", person, venue, f"key-{uuid4()}", None, text="a red boat", **fields)
    return await pictured(services.database, (await services.desk.ask(ask, permit)).jobs[0])


def verdict(decision: Decision = Decision.ALLOW, *, policy: str = "policy-1|lists-1") -> Verdict:
    return Verdict(decision, "none", 0.0, "", policy, "0" * 64)


async def seen(client: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_receipt_adds_up_and_is_nobody_elses(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    job = await drawn(services)
    told = await seen(client, f"/v1/receipts/{job.id}")
    assert told["held_ms"] == told["settled_ms"] + told["refunded_ms"]
    assert told["lines"][0]["kind"] == "hold"
    assert told["charge"]["model"] == "postcards"
    other = await client_of(await new_key("1002"))
    unknown = await other.get(f"/v1/receipts/{uuid4()}")
    theirs = await other.get(f"/v1/receipts/{job.id}")
    assert (theirs.status_code, theirs.json()) == (404, unknown.json())


async def test_pages_go_on_where_the_last_one_ended(
    client: httpx.AsyncClient, services: Services
) -> None:
    jobs = [str((await drawn(services)).id) for _ in range(3)]
    first = await seen(client, "/v1/receipts", limit=2)
    second = await seen(client, "/v1/receipts", limit=2, cursor=first["next_cursor"])
    assert [one["job"] for one in [*first["data"], *second["data"]]] == jobs[::-1]
    assert second["next_cursor"] is None
    grids = await seen(client, "/v1/gallery", limit=2)
    assert [one["job"] for one in grids["data"]] == [jobs[2]] * 4 + [jobs[1]] * 4
    rest = await seen(client, "/v1/gallery", limit=2, cursor=grids["next_cursor"])
    assert [one["index"] for one in rest["data"]] == [0, 1, 2, 3]


NO_PAGES = ["yesterday", "0001-01-01T00:00:00+14:00", "2026-99-01", "\0"]


async def test_a_page_that_nobody_named_is_refused(client: httpx.AsyncClient) -> None:
    for cursor in NO_PAGES:
        answer = await client.get("/v1/gallery", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_moment")


async def test_a_server_s_gallery_shows_what_is_public_there(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    shown = await drawn(services)
    await drawn(services, visibility=Visibility.STEALTH)
    await drawn(services, venue=Venue("78"))
    member = await client_of(await new_key("1002", guild_id="77"))
    told = await seen(member, "/v1/gallery", of="server")
    assert {one["job"] for one in told["data"]} == {str(shown.id)}
    assert told["data"][0]["url"].endswith(f"/{shown.id}/1/x-0.png")
    nowhere = await (await client_of(await new_key("1002"))).get("/v1/gallery?of=server")
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "no_server")


async def test_what_stands_under_a_mark_of_age_stays_there(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    """No channel is marked here: what only wider thresholds let through, or a strict look, is not shown."""
    marked = await drawn(services, permit=verdict(policy="policy-1+age|lists-1"))
    strict = await drawn(services, permit=verdict(Decision.REVIEW))
    usual = await drawn(services)
    own = await client_of(await new_key("1001", guild_id="77"))
    told = await seen(own, "/v1/gallery", of="server")
    assert {one["job"] for one in told["data"]} == {str(usual.id)}
    mine = await seen(own, "/v1/gallery")
    assert {one["job"] for one in mine["data"]} == {str(one.id) for one in (marked, strict, usual)}


async def test_a_mark_is_set_once_and_taken_away_once(
    client: httpx.AsyncClient, services: Services
) -> None:
    job = await drawn(services)
    path = f"/v1/favourites/{job.id}/2"
    for _ in range(2):
        assert (await client.put(path)).json()["favourite"] is True
    marked = await seen(client, "/v1/favourites")
    assert [(one["job"], one["index"]) for one in marked["data"]] == [(str(job.id), 2)]
    for _ in range(2):
        assert (await client.delete(path)).json()["favourite"] is False
    assert (await seen(client, "/v1/favourites"))["data"] == []


async def test_a_stealthy_picture_of_another_cannot_be_marked(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    job = await drawn(services, visibility=Visibility.STEALTH)
    other = await client_of(await new_key("1002"))
    answer = await other.put(f"/v1/favourites/{job.id}/0")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


async def test_preferences_change_by_what_is_named(client: httpx.AsyncClient) -> None:
    first = await client.patch(
        "/v1/preferences",
        json={"aspect": "3:2", "stylize": 250, "options": {"wide": "--ar 16:9"}, "speed": "relax"},
    )
    assert first.status_code == 200, first.text
    told = (await client.patch("/v1/preferences", json={"stylize": None, "style": "neon"})).json()
    assert (told["aspect"], told["stylize"], told["style"]) == ("3:2", None, "neon")
    assert (told["speed"], told["options"]) == ("relax", {"wide": "--ar 16:9"})
    assert told == await seen(client, "/v1/preferences")
    gone = await client.patch("/v1/preferences", json={"options": {"wide": None}, "aspect": ""})
    assert (gone.json()["options"], gone.json()["aspect"]) == ({}, None)


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"model": "nothing"}, "unknown_checkpoint"),
    ({"style": "nothing"}, "unknown_style"),
    ({"aspect": "wide"}, "invalid_value"),
    ({"suffix": "red boats"}, "suffix_words"),
    ({"speed": "turbo"}, "speed_not_in_plan"),
    ({"options": {"ar": "x"}}, "reserved_name"),
    ({"stylize": 2_000}, "invalid_request"),
    ({"options": {"a\0": "--ar 3:2"}}, "invalid_request"),
]


async def test_what_cannot_be_preferred_leaves_everything_as_it_was(
    client: httpx.AsyncClient,
) -> None:
    for change, code in IMPOSSIBLE:
        answer = await client.patch("/v1/preferences", json={"raw": True, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await seen(client, "/v1/preferences"))["raw"] is False
