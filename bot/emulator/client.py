"""A test's hands in the local Discord: act as a person, read what a person sees."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from bot.emulator import people
from bot.emulator.clock import Clock
from bot.emulator.emulator import Emulator, Options
from bot.emulator.line import Json, Refused, Who, agreed, id_of
from bot.emulator.openapi import Description
from bot.emulator.outing import Outing
from bot.emulator.reading import words
from bot.emulator.server import addresses, serve
from bot.emulator.shopping import Shopping

__all__ = ["LocalDiscord", "Refused", "Who"]
TOKEN = "local-bot-token"  # noqa: S105 - opens nothing but this server


class LocalDiscord(Shopping, Outing):
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.api = f"{self.url}/api/v10"
        self.gateway = "ws" + self.url.removeprefix("http") + "/gateway/"
        self.token = TOKEN
        self.emulator: Emulator | None = None
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """To a server in another process."""
        async with aiohttp.ClientSession() as session:
            yield cls(url, session)

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        token: str = TOKEN,
        description: Description | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        """A server in this process, on any free port."""
        options = Options(token=token, description=description)
        async with (
            serve(options, clock=clock) as emulator,
            cls.connect(addresses(emulator)["url"]) as local,
        ):
            local.emulator, local.token = emulator, token
            yield local

    async def slash(self, user: Who, command: str, /, channel: str = "", **options: Any) -> str:
        """The interaction's id. `command` may be a path, such as "settings speed"."""
        wish = {"user": id_of(user), "command": command, "options": options, "channel": channel}
        return str((await self._post("slash", wish))["interaction_id"])

    async def menu(
        self,
        user: Who,
        command: str,
        *,
        message: str = "",
        target: Who = "",
        channel: str = "",
    ) -> str:
        """Use a command from the menu of a message, or of the person `target`."""
        wish: Json = {"user": id_of(user), "command": command, "channel": channel}
        wish |= {"message_id": message} if message else {"target": id_of(target)}
        return str((await self._post("menu", wish))["interaction_id"])

    async def upload(self, user: Who, name: str, content: bytes) -> str:
        """The id of a file that may be given to an option or a form."""
        url = f"{self.url}/_emulator/uploads"
        query = {"user": id_of(user), "name": name}
        async with self._session.post(url, params=query, data=content) as answer:
            return str((await agreed(answer))["id"])

    async def autocomplete(
        self, user: Who, command: str, focused: str, **options: Any
    ) -> list[Json]:
        wish = {"user": id_of(user), "command": command, "options": options, "focused": focused}
        return list((await self._post("autocomplete", wish))["choices"])

    async def click(
        self, user: Who, message_id: str, custom_id: str, values: list[str] | None = None
    ) -> str:
        wish = {"user": id_of(user), "message_id": message_id, "custom_id": custom_id}
        return str((await self._post("click", wish | {"values": values}))["interaction_id"])

    async def submit(self, user: Who, interaction_id: str, **values: str | list[str]) -> str:
        """Fill in and send the modal that answered an interaction."""
        wish = {"user": id_of(user), "interaction_id": interaction_id, "values": values}
        return str((await self._post("modal", wish))["interaction_id"])

    async def say(self, user: Who, content: str, channel: str = "") -> Json:
        wish = {"user": id_of(user), "content": content, "channel": channel}
        return dict(await self._post("messages", wish))

    async def delete_message(self, user: Who, message_id: str) -> None:
        await self._call("DELETE", f"messages/{message_id}?user={id_of(user)}")

    async def messages(self, user: Who, channel: str = "") -> list[Json]:
        return list(await self._get(f"messages?user={id_of(user)}&channel={channel}"))

    async def message(self, message_id: str) -> Json:
        return dict(await self._get(f"messages/{message_id}"))

    async def interaction(self, interaction_id: str) -> Json:
        return dict(await self._get(f"interactions/{interaction_id}"))

    async def direct(self, user: Who) -> str:
        """The id of this person's direct channel with the bot."""
        return str((await self._post("direct", {"user": id_of(user)}))["id"])

    async def wait_message(
        self,
        predicate: Callable[[Json], bool],
        timeout: float = 30.0,  # noqa: ASYNC109 - the caller's patience, not a cancel scope
        *,
        user: Who = people.FINN,
        channel: str = "",
    ) -> Json:
        """The first message this person sees for which the predicate holds, now or later."""
        last: list[Json] = []
        try:
            async with asyncio.timeout(timeout):
                async for message in self._seen(user, channel):
                    last.append(message)
                    if predicate(message):
                        return message
        except TimeoutError:
            said = [(words(m)[:200], len(m["embeds"])) for m in last[-5:]]
            raise TimeoutError(f"no such message within {timeout} s; last seen: {said}") from None
        raise ConnectionError("the local Discord closed the feed")

    async def _seen(self, user: Who, channel: str) -> AsyncIterator[Json]:
        place = channel or people.IMAGINE_CHANNEL_ID
        url = f"{self.url}/_emulator/events?user={id_of(user)}"
        async with self._session.ws_connect(url) as feed:
            for message in await self.messages(user, channel):
                yield message
            async for packet in feed:
                event = json.loads(packet.data)
                written = event["event"] in ("MESSAGE_CREATE", "MESSAGE_UPDATE")
                if written and event["data"]["channel_id"] == place:
                    yield event["data"]

    async def wait_interaction(
        self,
        interaction_id: str,
        timeout: float = 10.0,  # noqa: ASYNC109 - as above
    ) -> Json:
        """The interaction once it is answered or has failed."""
        async with asyncio.timeout(timeout):
            while True:
                found = await self.interaction(interaction_id)
                if found["state"] != "pending":
                    return found
                await asyncio.sleep(0.05)

    async def wait_bot(self, timeout: float = 20.0) -> None:  # noqa: ASYNC109 - as above
        """Until a bot is connected and has told its commands."""
        async with asyncio.timeout(timeout):
            while True:
                health = await self._get("health")
                if health["bot_online"] and health["commands"]:
                    return
                await asyncio.sleep(0.05)

    async def violations(self) -> list[Json]:
        return list(await self._get("violations"))

    async def requests(self) -> list[Json]:
        return list(await self._get("requests"))

    async def advance(self, seconds: float) -> None:
        await self._post("clock", {"advance": seconds})

    async def bend(self, **rules: Any) -> None:
        await self._post("rules", rules)

    async def lose_permissions(self, *names: str, channel: str = "") -> None:
        await self._post("permissions", {"channel": channel, "lose": names})

    async def close_direct(self, user: Who, *, closed: bool = True) -> None:
        await self._post("direct/closed", {"user": id_of(user), "closed": closed})

    async def delete_channel(self, channel: str = people.IMAGINE_CHANNEL_ID) -> None:
        await self._call("DELETE", f"channels/{channel}")

    async def add_fault(self, kind: str, path: str, **details: Any) -> None:
        await self._post("faults", {"kind": kind, "path": path, **details})

    async def clear_faults(self) -> None:
        await self._call("DELETE", "faults")

    async def disturb_gateway(self, action: str, **details: Any) -> None:
        await self._post("gateway", {"action": action, **details})

    async def fetch(self, url: str) -> bytes:
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            return await answer.read()
