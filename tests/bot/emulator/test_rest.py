"""REST, without discord.py in between: errors, faults, control surface, files."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.emulator.client import TOKEN, LocalDiscord, Refused
from bot.emulator.people import APPLICATION_ID, FINN, GUILD_ID, IMAGINE_CHANNEL_ID, MONA

HERE = f"/channels/{IMAGINE_CHANNEL_ID}/messages"


class Rest:
    def __init__(self, local: LocalDiscord, session: aiohttp.ClientSession) -> None:
        self.local, self.session = local, session

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        url = self.local.api + path
        async with self.session.request(method, url, json=body, **more) as answer:
            if answer.status == 204:
                return 204, {}
            return answer.status, await answer.json()


@pytest.fixture
async def rest(local: LocalDiscord) -> AsyncIterator[Rest]:
    headers = {"Authorization": f"Bot {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Rest(local, session)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/channels/1", 404, 10003),
        ("GET", f"{HERE}/1", 404, 10008),
        ("DELETE", f"{HERE}/1", 404, 10008),
        ("GET", "/users/1", 404, 10013),
        ("GET", "/guilds/1", 404, 10004),
        ("GET", f"/guilds/{GUILD_ID}/members/1", 404, 10007),
        ("GET", "/applications/1/commands", 403, 20012),
        ("GET", f"/applications/{APPLICATION_ID}/commands/1", 404, 10063),
        ("GET", f"/webhooks/{APPLICATION_ID}/none/messages/@original", 404, 10015),
        ("GET", "/no/such/route", 404, 0),
        ("PUT", "/users/@me", 405, 0),
    ],
)
async def test_errors(rest: Rest, method: str, path: str, status: int, code: int) -> None:
    assert await rest.call(method, path) == (status, {"code": code, "message": Words()})


class Words(str):
    """Equal to any text but none."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other)

    __hash__ = str.__hash__


async def test_the_token_is_wanted(rest: Rest) -> None:
    status, body = await rest.call("GET", "/users/@me", headers={"Authorization": "Bot no"})
    assert (status, body["message"]) == (401, "401: Unauthorized")
    assert (await rest.call("GET", "/gateway", headers={"Authorization": ""}))[0] == 200


async def test_a_message_and_its_life(rest: Rest) -> None:
    _, made = await rest.call("POST", HERE, {"content": "hello", "nonce": "n"})
    assert made["nonce"] == "n"
    reply = {"content": "yes?", "message_reference": {"message_id": made["id"]}}
    _, answered = await rest.call("POST", HERE, reply)
    assert answered["referenced_message"]["id"] == made["id"]
    _, edited = await rest.call("PATCH", f"{HERE}/{made['id']}", {"content": "hello!"})
    assert edited["edited_timestamp"]
    _, listed = await rest.call("GET", f"{HERE}?limit=1")
    assert [m["id"] for m in listed] == [answered["id"]]
    assert (await rest.call("DELETE", f"{HERE}/{made['id']}"))[0] == 204
    _, orphan = await rest.call("GET", f"{HERE}/{answered['id']}")
    assert orphan["referenced_message"] is None


async def test_others_messages_cannot_be_edited(rest: Rest) -> None:
    said = await rest.local.say(FINN, "mine")
    status, body = await rest.call("PATCH", f"{HERE}/{said['id']}", {"content": "yours"})
    assert (status, body["code"]) == (403, 50005)


async def test_the_error_tree_names_the_place(rest: Rest) -> None:
    buttons = [{"type": 2, "style": 1, "label": "x" * 81, "custom_id": "a"}]
    body = {"components": [{"type": 1, "components": buttons}]}
    status, answer = await rest.call("POST", HERE, body)
    assert (status, answer["code"]) == (400, 50035)
    leaf = answer["errors"]["components"]["0"]["components"]["0"]["label"]["_errors"]
    assert leaf[0]["message"]
    (violation,) = await rest.local.violations()
    assert violation["body"] == body


@pytest.mark.parametrize(("sent", "code"), [({}, 50006), ({"content": ""}, 50006)])
async def test_empty_messages(rest: Rest, sent: dict[str, Any], code: int) -> None:
    status, body = await rest.call("POST", HERE, sent)
    assert (status, body["code"]) == (400, code)


async def test_bodies_that_are_not_json(rest: Rest) -> None:
    status, body = await rest.call("POST", HERE, None, data=b"{")
    assert (status, body["code"]) == (400, 50109)
    status, body = await rest.call("POST", HERE, [1])
    assert status == 400


async def test_limits_are_real(rest: Rest) -> None:
    answers = [await rest.call("POST", HERE, {"content": "x"}) for _ in range(6)]
    assert [status for status, _ in answers] == [200] * 5 + [429]
    assert 0 < answers[-1][1]["retry_after"] <= 5
    assert answers[-1][1]["global"] is False
    await rest.local.advance(5)
    assert (await rest.call("POST", HERE, {"content": "x"}))[0] == 200
    await rest.local.bend(rate_limits=False)
    assert {(await rest.call("POST", HERE, {"content": "x"}))[0] for _ in range(9)} == {200}


async def test_headers(rest: Rest) -> None:
    async with rest.session.get(f"{rest.local.api}/users/@me") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        assert int(answer.headers["X-RateLimit-Remaining"]) > 0
        assert answer.headers["X-RateLimit-Bucket"]
        assert answer.headers["Via"]


async def test_made_up_failures(rest: Rest) -> None:
    await rest.local.add_fault("status", HERE, status=503, method="post", times=1)
    assert (await rest.call("POST", HERE, {"content": "x"}))[0] == 503
    assert (await rest.call("POST", HERE, {"content": "x"}))[0] == 200
    await rest.local.add_fault("drop", HERE, times=1)
    with pytest.raises(OSError):
        await rest.call("POST", HERE, {"content": "never arrives"})
    await rest.local.add_fault("lose", HERE, times=1)
    with pytest.raises(OSError):
        await rest.call("POST", HERE, {"content": "arrives unanswered"})
    said = [m["content"] for m in await rest.local.messages(FINN)]
    assert said == ["x", "arrives unanswered"]
    await rest.local.add_fault("delay", HERE, seconds=0.05)
    assert (await rest.call("POST", HERE, {"content": "late"}))[0] == 200
    await rest.local.clear_faults()
    with pytest.raises(Refused, match="kind must be one of"):
        await rest.local.add_fault("quake", HERE)


async def test_chances_are_replayed_by_their_seed(rest: Rest) -> None:
    async def fate() -> list[int]:
        await rest.local.clear_faults()
        await rest.local.add_fault("status", "@me", status=500, chance=0.5, seed=7)
        return [(await rest.call("GET", "/users/@me"))[0] for _ in range(12)]

    first = await fate()
    assert set(first) == {200, 500}
    assert await fate() == first


async def test_the_log_of_requests(rest: Rest) -> None:
    await rest.call("GET", "/users/@me")
    (logged,) = await rest.local.requests()
    assert (logged["method"], logged["path"], logged["status"]) == ("GET", "/users/@me", 200)


async def test_other_sites_may_not_act_here(rest: Rest) -> None:
    url = f"{rest.local.url}/_emulator/messages"
    wish = {"user": FINN.id, "content": "forged"}
    rebound = {"Host": "evil.example:80", "Origin": "http://evil.example:80"}
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403),
        (rebound, 403),
        ({"Origin": rest.local.url}, 200),
        ({}, 200),
    ):
        async with rest.session.post(url, json=wish, headers=headers) as answer:
            assert answer.status == status


async def test_refusals_in_words(rest: Rest) -> None:
    with pytest.raises(Refused, match="between 1 and 2000"):
        await rest.local.say(FINN, "x" * 2001)
    with pytest.raises(Refused, match="cannot see that channel"):
        await rest.local.say(FINN, "x", "1100000000000000202")
    assert await rest.local.say(MONA, "x", "1100000000000000202")
    with pytest.raises(Refused, match="Unknown User"):
        await rest.local.say("1", "x")
    with pytest.raises(Refused, match="user is missing"):
        await rest.local._post("slash", {})
    with pytest.raises(Refused, match="no rule 'gravity'"):
        await rest.local.bend(gravity=1)


async def test_pictures_from_elsewhere_come_through_the_proxy(rest: Rest) -> None:
    async def picture(request: web.Request) -> web.Response:
        kind = "image/png" if request.path == "/a.png" else "text/html"
        return web.Response(body=b"pixels", content_type=kind)

    app = web.Application()
    app.router.add_get("/{name}", picture)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = "http://{}:{}".format(*runner.addresses[0])
    shown = {}
    for name in ("a.png", "page.html"):
        embed = {"image": {"url": f"{host}/{name}"}}
        _, message = await rest.call("POST", HERE, {"embeds": [embed]})
        shown[name] = message["embeds"][0]["image"]["proxy_url"]
    assert await rest.local.fetch(shown["a.png"]) == b"pixels"
    for bad in (shown["page.html"], f"{rest.local.url}/media/unknown"):
        with pytest.raises(aiohttp.ClientResponseError):
            await rest.local.fetch(bad)
    await runner.cleanup()
