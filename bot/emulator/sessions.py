"""Bot sessions: what survives a lost socket, and the socket with its compression."""

import asyncio
import json
import zlib
from collections import deque
from dataclasses import dataclass, field

from aiohttp import web

from bot.emulator.world import Event, Json, World

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE = 0, 1, 2, 3, 4
RESUME, RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 6, 7, 8, 9, 10, 11

UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SEQ, RATE_LIMITED, TIMED_OUT = 4005, 4007, 4008, 4009
INVALID_SHARD, INVALID_VERSION, INVALID_INTENTS = 4010, 4012, 4013

HEARTBEAT_MS = 41_250
EVENTS_PER_MINUTE = 120
REPLAY_EVENTS = 1000
RESUMABLE_S = 300.0

GUILDS, GUILD_MEMBERS = 1 << 0, 1 << 1
GUILD_MESSAGES, GUILD_TYPING = 1 << 9, 1 << 11
DM_MESSAGES, DM_TYPING, MESSAGE_CONTENT = 1 << 12, 1 << 14, 1 << 15
ALL_INTENTS = (1 << 26) - 1
WANTED_IN_GUILD = {
    "MESSAGE_CREATE": GUILD_MESSAGES,
    "MESSAGE_UPDATE": GUILD_MESSAGES,
    "MESSAGE_DELETE": GUILD_MESSAGES,
    "TYPING_START": GUILD_TYPING,
    "CHANNEL_CREATE": GUILDS,
    "CHANNEL_UPDATE": GUILDS,
    "CHANNEL_DELETE": GUILDS,
    "THREAD_CREATE": GUILDS,
    "THREAD_UPDATE": GUILDS,
    "THREAD_DELETE": GUILDS,
}
WANTED_IN_DM = {
    "MESSAGE_CREATE": DM_MESSAGES,
    "MESSAGE_UPDATE": DM_MESSAGES,
    "MESSAGE_DELETE": DM_MESSAGES,
    "TYPING_START": DM_TYPING,
}


class Closed(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


@dataclass(slots=True)
class Session:
    """What survives a lost socket: the sequence and the last events."""

    id: str
    intents: int
    shard: tuple[int, int] | None = None
    seq: int = 0
    replay: deque[Json] = field(default_factory=lambda: deque(maxlen=REPLAY_EVENTS))
    wire: "Wire | None" = None
    left: float | None = None

    def dispatch(self, name: str, data: Json) -> None:
        self.seq += 1
        packet = {"op": DISPATCH, "t": name, "s": self.seq, "d": data}
        self.replay.append(packet)
        if self.wire:
            self.wire.send(packet)


class Wire:
    """A socket with its compression; packets leave in order through one queue."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        *,
        compress: bool,
    ) -> None:
        self.socket, self._transport = socket, transport
        self._packer = zlib.compressobj() if compress else None
        self._outbox: asyncio.Queue[str | int | None] = asyncio.Queue()

    def send(self, packet: Json) -> None:
        self._outbox.put_nowait(json.dumps(packet, separators=(",", ":")))

    async def pump(self) -> None:
        while (item := await self._outbox.get()) is not None:
            try:
                await self._write(item)
            except ConnectionError:
                return

    async def _write(self, item: str | int) -> None:
        if isinstance(item, int):
            await self.socket.close(code=item)
        elif self._packer is None:
            await self.socket.send_str(item)
        else:
            # Every message of zlib-stream ends with the flush suffix that clients look for.
            packed = self._packer.compress(item.encode()) + self._packer.flush(zlib.Z_SYNC_FLUSH)
            await self.socket.send_bytes(packed)

    def close(self, code: int) -> None:
        """After all that was sent before."""
        self._outbox.put_nowait(code)

    def abort(self) -> None:
        """Lose the connection, with no word to the other side."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        self._outbox.put_nowait(None)


@dataclass(slots=True)
class Roster:
    """All sessions, and what every new one is told."""

    world: World
    sessions: dict[str, Session] = field(default_factory=dict)
    identifies: int = 0
    heartbeat_ms: int = HEARTBEAT_MS
    url: str = ""

    def forget_expired(self) -> None:
        now = self.world.clock.now()
        for session in list(self.sessions.values()):
            if session.left is not None and now - session.left > RESUMABLE_S:
                del self.sessions[session.id]

    def leave(self, session: Session) -> None:
        """The socket is gone; the session may be resumed for a while."""
        session.wire, session.left = None, self.world.clock.now()

    def connected(self) -> bool:
        return any(session.wire for session in self.sessions.values())

    def tell_pages(self) -> None:
        """Whether a bot is there, for the member list."""
        online = {"bot_online": self.connected()}
        self.world.emit(Event("BOT_STATE", online, gateway=False))
