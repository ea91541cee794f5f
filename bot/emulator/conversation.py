"""One gateway socket's life, packet by packet: identify, heartbeat, resume and replay."""

import asyncio
import json
import secrets
from collections import deque
from typing import Any

from aiohttp import WSMsgType

from bot.emulator import payloads, people
from bot.emulator.sessions import (
    ALL_INTENTS,
    ALREADY_AUTHENTICATED,
    AUTHENTICATION_FAILED,
    DECODE_ERROR,
    EVENTS_PER_MINUTE,
    GUILD_MEMBERS,
    GUILDS,
    HEARTBEAT,
    HEARTBEAT_ACK,
    HELLO,
    IDENTIFY,
    INVALID_INTENTS,
    INVALID_SEQ,
    INVALID_SESSION,
    INVALID_SHARD,
    INVALID_VERSION,
    NOT_AUTHENTICATED,
    PRESENCE,
    RATE_LIMITED,
    REQUEST_MEMBERS,
    RESUME,
    TIMED_OUT,
    UNKNOWN_OPCODE,
    VOICE,
    Closed,
    Roster,
    Session,
    Wire,
)
from bot.emulator.world import Json


class Conversation:
    """One socket's life, packet by packet."""

    def __init__(self, roster: Roster, wire: Wire) -> None:
        self.roster, self.wire = roster, wire
        self.session: Session | None = None
        self._received: deque[float] = deque(maxlen=EVENTS_PER_MINUTE)

    async def run(self, version: str) -> None:
        if version not in ("9", "10"):
            raise Closed(INVALID_VERSION, "Invalid API version.")
        self.wire.send({"op": HELLO, "d": {"heartbeat_interval": self.roster.heartbeat_ms}})
        patience = self.roster.heartbeat_ms / 1000 * 1.5
        while True:
            try:
                message = await self.wire.socket.receive(timeout=patience)
            except TimeoutError:
                raise Closed(TIMED_OUT, "Session timed out.") from None
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._count()
            self._hear(_decode(message.data))

    def part(self) -> None:
        session, code = self.session, self.wire.socket.close_code
        if session is None or session.wire is not self.wire:
            return
        self.roster.leave(session)
        if code in (1000, 1001):
            self.roster.sessions.pop(session.id, None)
        self.roster.tell_pages()

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        full = len(self._received) == EVENTS_PER_MINUTE
        if full and now - self._received[0] < 60:
            raise Closed(RATE_LIMITED, "Rate limited.")
        self._received.append(now)

    def _hear(self, packet: Json) -> None:
        op, data = packet.get("op"), packet.get("d")
        if op == HEARTBEAT:
            self.wire.send({"op": HEARTBEAT_ACK, "d": None})
        elif op == IDENTIFY:
            self._identify(data)
        elif op == RESUME:
            self._resume(data)
        elif op not in (PRESENCE, VOICE, REQUEST_MEMBERS):
            raise Closed(UNKNOWN_OPCODE, "Unknown opcode.")
        elif self.session is None:
            raise Closed(NOT_AUTHENTICATED, "Not authenticated.")
        elif op == REQUEST_MEMBERS:
            self._send_members(self.session, data)

    def _identify(self, data: Any) -> None:
        if self.session is not None:
            raise Closed(ALREADY_AUTHENTICATED, "Already authenticated.")
        self._authenticate(data)
        intents = data.get("intents")
        if not isinstance(intents, int) or intents & ~ALL_INTENTS:
            raise Closed(INVALID_INTENTS, "Invalid intent(s).")
        self.roster.identifies += 1
        session = Session(secrets.token_hex(16), intents, _shard(data), wire=self.wire)
        self.roster.sessions[session.id] = self.session = session
        session.dispatch("READY", self._ready(session))
        if intents & GUILDS:
            everyone = bool(intents & GUILD_MEMBERS)
            guild = payloads.guild_create(self.roster.world, all_members=everyone)
            session.dispatch("GUILD_CREATE", guild)
        self.roster.tell_pages()

    def _authenticate(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise Closed(DECODE_ERROR, "Error while decoding payload.")
        if data.get("token") != self.roster.world.token:
            raise Closed(AUTHENTICATION_FAILED, "Authentication failed.")

    def _ready(self, session: Session) -> Json:
        body: Json = {
            "v": 10,
            "user": payloads.myself(),
            "guilds": [{"id": people.GUILD_ID, "unavailable": True}],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.roster.url,
            "application": {"id": people.APPLICATION_ID, "flags": 1 << 23},
            "private_channels": [],
            "_trace": [],
        }
        return body | ({"shard": list(session.shard)} if session.shard else {})

    def _resume(self, data: Any) -> None:
        self._authenticate(data)
        session = self.roster.sessions.get(str(data.get("session_id")))
        seq = data.get("seq")
        if session is None or not isinstance(seq, int) or _missed_too_much(session, seq):
            self.wire.send({"op": INVALID_SESSION, "d": False})
            return
        if seq > session.seq:
            raise Closed(INVALID_SEQ, "Invalid seq.")
        missed = [packet for packet in session.replay if packet["s"] > seq]
        session.wire, session.left, self.session = self.wire, None, session
        for packet in missed:
            self.wire.send(packet)
        session.dispatch("RESUMED", {"_trace": []})
        self.roster.tell_pages()

    def _send_members(self, session: Session, data: Any) -> None:
        wanted = {str(id) for id in data.get("user_ids") or ()}
        query = str(data.get("query") or "").lower()
        found = [
            person
            for person in people.PEOPLE
            if (person.id in wanted if wanted else person.username.startswith(query))
        ]
        chunk: Json = {
            "guild_id": people.GUILD_ID,
            "members": [payloads.member(person) for person in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": sorted(wanted - {person.id for person in found}),
        }
        if data.get("nonce"):
            chunk["nonce"] = data["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)


def _missed_too_much(session: Session, seq: int) -> bool:
    return bool(session.replay) and session.replay[0]["s"] > seq + 1


def _shard(data: Json) -> tuple[int, int] | None:
    if data.get("shard") is None:
        return None
    index, count = data["shard"]
    if not 0 <= index < count:
        raise Closed(INVALID_SHARD, "Invalid shard.")
    return index, count


def _decode(raw: str | bytes) -> Json:
    try:
        packet = json.loads(raw)
    except ValueError:
        packet = None
    if not isinstance(packet, dict):
        raise Closed(DECODE_ERROR, "Error while decoding payload.")
    return packet
