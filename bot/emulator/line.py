"""The line to a local Discord that tests talk over."""

from typing import Any

import aiohttp

from bot.emulator.people import Person

Json = dict[str, Any]
Who = Person | str


class Refused(Exception):
    """The local Discord's own client would not let a person do this."""


class Line:
    url: str
    _session: aiohttp.ClientSession

    async def _get(self, path: str) -> Any:
        return await self._call("GET", path)

    async def _post(self, path: str, wish: Json) -> Any:
        return await self._call("POST", path, wish)

    async def _call(self, method: str, path: str, wish: Json | None = None) -> Any:
        url = f"{self.url}/_emulator/{path}"
        async with self._session.request(method, url, json=wish) as answer:
            return await agreed(answer)


async def agreed(answer: aiohttp.ClientResponse) -> Any:
    body = await answer.json()
    if answer.status >= 400:
        raise Refused(body.get("error", answer.reason))
    return body


def id_of(user: Who) -> str:
    return user.id if isinstance(user, Person) else user
