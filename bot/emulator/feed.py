"""What the page hears: one WebSocket for each open page, filtered to what its person may see."""

import asyncio
import json
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from bot.emulator.world import Event, Json, World

SHOWN = {
    "BOT_STATE",
    "CHANNEL_CREATE",
    "CHANNEL_DELETE",
    "CHANNEL_UPDATE",
    "COMMANDS_UPDATE",
    "INTERACTION_STATE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_UPDATE",
    "ENTITLEMENT_CREATE",
    "ENTITLEMENT_DELETE",
    "ENTITLEMENT_UPDATE",
    "SUBSCRIPTION_CREATE",
    "SUBSCRIPTION_UPDATE",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "TYPING_START",
}
PING_S = 20.0


@dataclass(slots=True, eq=False)
class Listener:
    person: str
    outbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)


class Feed:
    def __init__(self, world: World) -> None:
        self.world = world
        self.listeners: set[Listener] = set()
        world.listen(self.hear)

    def hear(self, event: Event) -> None:
        if event.name not in SHOWN or not self.listeners:
            return
        text = json.dumps({"event": event.name, "data": event.data})
        for listener in self.listeners:
            if self._may_hear(listener.person, event):
                listener.outbox.put_nowait(text)

    def _may_hear(self, person: str, event: Event) -> bool:
        if event.only_for not in (None, person):
            return False
        channel = self.world.channels.get(event.channel_id or "")
        return channel is None or self.world.can_see(person, channel)

    async def serve(self, request: web.Request, *, hello: Json) -> web.WebSocketResponse:
        listener = Listener(request.query.get("user", ""))
        self.world.person(listener.person)
        socket = web.WebSocketResponse(heartbeat=PING_S)
        await socket.prepare(request)
        self.listeners.add(listener)
        await socket.send_str(json.dumps({"event": "HELLO", "data": hello}))
        pump = asyncio.create_task(_pump(listener, socket))
        try:
            async for message in socket:
                if message.type == WSMsgType.ERROR:
                    break
        finally:
            self.listeners.discard(listener)
            pump.cancel()
        return socket

    def finish(self) -> None:
        for listener in self.listeners:
            listener.outbox.put_nowait(None)


async def _pump(listener: Listener, socket: web.WebSocketResponse) -> None:
    while (text := await listener.outbox.get()) is not None:
        try:
            await socket.send_str(text)
        except ConnectionError:
            return
    await socket.close(code=1001, message=b"going away")
