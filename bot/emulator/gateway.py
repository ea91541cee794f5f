"""The gateway: who hears what, and the sockets that bots open."""

import asyncio
import logging

from aiohttp import web

from bot.emulator import people
from bot.emulator.channels import DM
from bot.emulator.conversation import Conversation
from bot.emulator.sessions import (
    INVALID_SESSION,
    MESSAGE_CONTENT,
    RECONNECT,
    WANTED_IN_DM,
    WANTED_IN_GUILD,
    Closed,
    Roster,
    Session,
    Wire,
)
from bot.emulator.world import Event, Json, World

log = logging.getLogger(__name__)


class Gateway:
    def __init__(self, world: World) -> None:
        self.world = world
        self.roster = Roster(world)
        world.listen(self.hear)

    def hear(self, event: Event) -> None:
        if not event.gateway or self.world.rules.loses(event.name):
            return
        self.roster.forget_expired()
        for session in self.roster.sessions.values():
            data = self._as_heard_by(session, event)
            if data is not None:
                session.dispatch(event.name, data)

    def _as_heard_by(self, session: Session, event: Event) -> Json | None:
        """The event's data for this session, or None if it did not ask for such events."""
        channel = self.world.channels.get(event.channel_id or "")
        table = WANTED_IN_DM if channel and channel.type == DM else WANTED_IN_GUILD
        wanted = table.get(event.name, 0)
        if event.channel_id is None and session.shard and session.shard[0] != 0:
            return None  # what belongs to no server is told to the first shard alone
        if channel and not channel.home and event.name != "INTERACTION_CREATE":
            return None  # the bot is no member there
        if wanted and not session.intents & wanted:
            return None
        return _without_content(session, event.data) if "content" in event.data else event.data

    def connected(self) -> bool:
        return self.roster.connected()

    def about(self) -> Json:
        """GET /gateway/bot."""
        total = self.world.rules.identify_total
        return {
            "url": self.roster.url,
            "shards": 1,
            "session_start_limit": {
                "total": total,
                "remaining": max(0, total - self.roster.identifies),
                "reset_after": 86_400_000,
                "max_concurrency": 1,
            },
        }

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=64 * 1024, autoping=True)
        await socket.prepare(request)
        # Any other compression is answered in plain text, which every client reads.
        packed = request.query.get("compress") == "zlib-stream"
        wire = Wire(socket, request.transport, compress=packed)
        pump = asyncio.create_task(wire.pump())
        conversation = Conversation(self.roster, wire)
        try:
            await conversation.run(request.query.get("v", "10"))
        except Closed as closed:
            log.info("gateway closes a session: %s", closed)
            await socket.close(code=closed.code, message=closed.reason.encode())
        finally:
            conversation.part()
            wire.finish()
            pump.cancel()
        return socket

    def drop(self, *, code: int | None = None) -> None:
        """Close every live socket, with a code or by force; sessions stay resumable."""
        for session in self.roster.sessions.values():
            if (wire := session.wire) is None:
                continue
            self.roster.leave(session)
            if code is None:
                wire.abort()
            else:
                wire.close(code)

    def reconnect(self) -> None:
        for session in self.roster.sessions.values():
            if session.wire:
                session.wire.send({"op": RECONNECT, "d": None})

    def invalidate(self, *, resumable: bool) -> None:
        for session in list(self.roster.sessions.values()):
            if session.wire:
                session.wire.send({"op": INVALID_SESSION, "d": resumable})
            if not resumable:
                del self.roster.sessions[session.id]


def _without_content(session: Session, data: Json) -> Json:
    if session.intents & MESSAGE_CONTENT or "guild_id" not in data:
        return data
    mine = data["author"]["id"] == people.APPLICATION_ID
    if mine or any(user["id"] == people.APPLICATION_ID for user in data["mentions"]):
        return data
    return data | {"content": "", "embeds": [], "attachments": [], "components": []}
