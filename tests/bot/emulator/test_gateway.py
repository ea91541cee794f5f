"""The gateway, spoken to byte by byte."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.emulator.client import TOKEN, LocalDiscord
from bot.emulator.people import FINN

INTENTS = (1 << 0) | (1 << 9) | (1 << 12)
MESSAGE_CONTENT = 1 << 15


class Line:
    """A gateway socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, op: int, data: Any) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def identify(self, *, token: str = TOKEN, intents: int = INTENTS) -> dict[str, Any]:
        await self.send(2, {"token": token, "intents": intents, "properties": {}})
        return await self.event("READY")

    async def packet(self) -> dict[str, Any]:
        return dict(await self.socket.receive_json(timeout=5))

    async def event(self, name: str) -> dict[str, Any]:
        while True:
            packet = await self.packet()
            if packet.get("t") == name:
                return packet

    async def closed(self) -> int | None:
        while True:
            message = await self.socket.receive(timeout=5)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return self.socket.close_code


@asynccontextmanager
async def dial(local: LocalDiscord, query: str = "v=10&encoding=json") -> AsyncIterator[Line]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{local.gateway}?{query}") as socket,
    ):
        yield Line(socket)


@pytest.fixture
async def line(local: LocalDiscord) -> AsyncIterator[Line]:
    async with dial(local) as dialled:
        assert (await dialled.packet())["op"] == 10
        yield dialled


async def test_ready_then_the_guild(line: Line) -> None:
    ready = await line.identify()
    assert ready["d"]["user"]["bot"] is True
    assert ready["d"]["resume_gateway_url"].startswith("ws://")
    guild = await line.event("GUILD_CREATE")
    names = [c["name"] for c in guild["d"]["channels"]]
    assert names == ["imagine", "after-dark", "moderators", "mod-log"]
    assert [ready["s"], guild["s"]] == [1, 2]


async def test_heartbeat(line: Line) -> None:
    await line.send(1, None)
    assert (await line.packet())["op"] == 11


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 0}, 4004),
        (6, {"token": "wrong", "session_id": "x", "seq": 0}, 4004),
        (2, {"token": TOKEN, "intents": 1 << 30}, 4013),
        (2, {"token": TOKEN, "intents": 0, "shard": [2, 1]}, 4010),
        (8, {"guild_id": "1"}, 4003),
        (77, None, 4001),
        (2, "words", 4002),
    ],
)
async def test_close_codes(line: Line, op: int, data: Any, code: int) -> None:
    await line.send(op, data)
    assert await line.closed() == code


async def test_garbage_closes(line: Line) -> None:
    await line.socket.send_str("{")
    assert await line.closed() == 4002


async def test_identifying_twice_closes(line: Line) -> None:
    await line.identify()
    await line.send(2, {"token": TOKEN, "intents": 0})
    assert await line.closed() == 4005


async def test_an_old_version_closes(local: LocalDiscord) -> None:
    async with dial(local, "v=8") as old:
        assert await old.closed() == 4012


async def test_silence_closes(local: LocalDiscord) -> None:
    assert local.emulator is not None
    local.emulator.gateway.roster.heartbeat_ms = 40
    async with dial(local) as silent:
        assert await silent.closed() == 4009


async def test_a_flood_closes(line: Line) -> None:
    for _ in range(121):
        await line.send(1, None)
    assert await line.closed() == 4008


async def test_resume_replays_what_was_missed(local: LocalDiscord, line: Line) -> None:
    ready = await line.identify()
    guild = await line.event("GUILD_CREATE")
    await local.disturb_gateway("close", code=4000)
    assert await line.closed() == 4000
    for text in ("one", "two"):
        await local.say(FINN, text)
    session = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": guild["s"]}
    async with dial(local) as again:
        await again.send(6, session)
        assert (await again.packet())["op"] == 10
        replayed = [await again.packet() for _ in range(3)]
    assert [packet["t"] for packet in replayed] == ["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED"]
    assert [packet["s"] - guild["s"] for packet in replayed] == [1, 2, 3]


async def test_resume_from_the_future_closes(local: LocalDiscord, line: Line) -> None:
    ready = await line.identify()
    await local.disturb_gateway("close")
    session = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 999}
    async with dial(local) as again:
        await again.send(6, session)
        assert await again.closed() == 4007


@pytest.mark.parametrize("how", ["unknown", "closed by the client", "too late"])
async def test_sessions_that_cannot_be_resumed(local: LocalDiscord, line: Line, how: str) -> None:
    ready = await line.identify()
    session = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1}
    if how == "unknown":
        session["session_id"] = "none"
    elif how == "closed by the client":
        await line.socket.close(code=1000)
    else:
        await local.disturb_gateway("close")
        await local.advance(301)
        await local.say(FINN, "time passes")
    async with dial(local) as again:
        await again.packet()
        await again.send(6, session)
        assert await again.packet() == {"op": 9, "d": False}


async def test_zlib_stream(local: LocalDiscord) -> None:
    unpacker = zlib.decompressobj()
    async with dial(local, "v=10&encoding=json&compress=zlib-stream") as packed:
        for op in (10, 11):
            raw = (await packed.socket.receive(timeout=5)).data
            assert raw.endswith(b"\x00\x00\xff\xff")
            assert json.loads(unpacker.decompress(raw))["op"] == op
            await packed.send(1, None)


async def test_content_is_for_those_who_asked_for_it(local: LocalDiscord) -> None:
    async with dial(local) as blind, dial(local) as seeing:
        await blind.identify()
        await seeing.identify(intents=INTENTS | MESSAGE_CONTENT)
        await local.say(FINN, "secret words")
        assert (await blind.event("MESSAGE_CREATE"))["d"]["content"] == ""
        assert (await seeing.event("MESSAGE_CREATE"))["d"]["content"] == "secret words"


async def test_events_need_their_intent(local: LocalDiscord, line: Line) -> None:
    await line.identify(intents=1)
    await local.say(FINN, "unheard")
    await line.send(1, None)
    await line.event("GUILD_CREATE")
    assert (await line.packet())["op"] == 11


async def test_members_on_request(line: Line) -> None:
    await line.identify()
    await line.send(8, {"guild_id": "1", "user_ids": [FINN.id, "9"], "nonce": "n"})
    chunk = (await line.event("GUILD_MEMBERS_CHUNK"))["d"]
    assert [m["user"]["username"] for m in chunk["members"]] == ["finn"]
    assert (chunk["not_found"], chunk["nonce"]) == (["9"], "n")


async def test_identifies_are_counted(local: LocalDiscord, line: Line) -> None:
    await line.identify()
    await local.bend(identify_total=3)
    headers = {"Authorization": f"Bot {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{local.api}/gateway/bot") as answer,
    ):
        limit = (await answer.json())["session_start_limit"]
    assert (limit["total"], limit["remaining"]) == (3, 2)
