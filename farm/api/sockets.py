"""The same events over a WebSocket. What the client says there is not listened to."""

import asyncio
import logging
from contextlib import aclosing, suppress

from fastapi import WebSocket, WebSocketDisconnect

from farm.api.credentials import chosen
from farm.api.follower import Follower
from farm.api.streams import Words
from shared.errors import Fault

log = logging.getLogger(__name__)

TOLD_ALL, RESTARTS, LATER = 1000, 1012, 1013  # RFC 6455 and IANA's registry of close codes


async def talk(socket: WebSocket, follower: Follower, words: Words) -> None:
    """Until the job, the client or this process ends."""
    await socket.accept(subprotocol=chosen(socket))
    hearing = asyncio.create_task(_until_gone(socket))
    telling = asyncio.create_task(_tell(socket, follower, words))
    try:
        await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (hearing, telling):
            task.cancel()
        await asyncio.gather(hearing, telling, return_exceptions=True)


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return


async def _tell(socket: WebSocket, follower: Follower, words: Words) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone meanwhile
        try:
            async with aclosing(follower.read()) as told:
                async for one in told:
                    if one is not None:
                        await socket.send_json(await words(one))
        except Fault as fault:
            log.warning("A socket ends early: %s (%s)", fault.sentence, fault.code)
            await socket.close(LATER, "Come back with the last event's id.")
            return
        await socket.close(*_farewell(follower))


def _farewell(follower: Follower) -> tuple[int, str]:
    if follower.over:
        return TOLD_ALL, ""
    if follower.overrun:
        return LATER, "Too slow. Come back with the last event's id."
    return RESTARTS, "Come back with the last event's id."
