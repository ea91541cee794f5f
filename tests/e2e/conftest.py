"""The whole stack as `pictor demo` starts it, driven through the local Discord."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.emulator.client import LocalDiscord
from bot.emulator.people import PRIYA, Person
from farm.demo import start_all
from farm.stack import Stack
from tests.reading import buttons_of, headline_of, pictures_of, text_of

# Leases a fifth as long as in production: the same code, and no test waits for real minutes.
QUICK = {
    "PICTOR_WORKER__LEASE_S": "3",
    "PICTOR_WORKER__HEARTBEAT_S": "0.5",
    "PICTOR_FARM__WORKER_SILENT_S": "3",
    "PICTOR_WORKER__THREADS": "1",
}
OPENAPI = Path(__file__).parents[3] / "shared" / "discord" / "openapi.json"

Json = dict[str, Any]


def openapi() -> dict[str, str]:
    """Where Discord's own description lies; CI must have it."""
    path = Path(os.environ.get("PICTOR_DISCORD_OPENAPI", OPENAPI))
    if path.is_file():
        return {"PICTOR_DISCORD_OPENAPI": str(path)}
    if os.environ.get("CI") == "true":
        pytest.fail(f"Discord's OpenAPI description is not at {path}: set PICTOR_DISCORD_OPENAPI")
    return {}


def keys_in(folder: Path) -> dict[str, str]:
    return {"PICTOR_PROVENANCE__KEYS": str(folder / "keys")}


@dataclass(frozen=True, slots=True)
class Town:
    """The running stack and a hand in its Discord."""

    stack: Stack
    url: str
    discord: LocalDiscord

    async def imagine(self, prompt: str, *, user: Person = PRIYA) -> Json:
        """Types /imagine and returns the message that answers."""
        before = {message["id"] for message in await self.discord.messages(user)}
        await self.discord.slash(user, "imagine", prompt=prompt)
        return await self.discord.wait_message(
            lambda message: message["id"] not in before and bool(text_of(message)), user=user
        )

    async def until(self, message: Json, status: str, *, within_s: float = 90) -> Json:
        """The message once its first line says `status`."""
        return await self.discord.wait_message(
            lambda seen: seen["id"] == message["id"] and status in headline_of(seen),
            within_s,
            user=PRIYA,
        )

    async def finished(self, message: Json, *, within_s: float = 120) -> Json:
        return await self.discord.wait_message(
            lambda seen: seen["id"] == message["id"] and "U1" in labels(seen), within_s, user=PRIYA
        )

    async def press(self, message: Json, label: str, *, user: Person = PRIYA) -> None:
        await self.discord.click(user, message["id"], buttons(message)[label])


def buttons(message: Json) -> dict[str, str]:
    """Label (or emoji) -> custom id."""
    return {label: target for label, target in buttons_of(message).items() if target}


def labels(message: Json) -> set[str]:
    return set(buttons(message))


def image_of(message: Json) -> str:
    return pictures_of(message)[0]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    stack = Stack(tmp_path, environment=dict(QUICK | openapi() | keys_in(tmp_path)))
    try:
        url = await start_all(stack, port=0)
        async with LocalDiscord.connect(url) as discord:
            yield Town(stack, url, discord)
            assert await discord.violations() == []
    finally:
        await stack.close()


def told(message: Json) -> str:
    return text_of(message)
