"""A bot in a process of its own, the local Discord in this one, and what Discord saw of it."""

import asyncio
import os
import platform
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.emulator.client import LocalDiscord
from bot.emulator.emulator import Emulator
from shared.config import Settings

Json = dict[str, Any]
WEIGHED = ("/interactions/", "/webhooks/")  # in buckets of their own, outside the 50 a second
REFUSED = (401, 403, 429)


@dataclass(frozen=True, slots=True)
class City:
    local: LocalDiscord
    emulator: Emulator
    bot: asyncio.subprocess.Process

    @property
    def requests(self) -> Sequence[Json]:
        return self.emulator.requests

    def busiest_second(self) -> int:
        """Requests that count in Discord's 50 a second, in the worst second."""
        moments = sorted(r["at"] for r in self.requests if not r["path"].startswith(WEIGHED))
        return most_within(moments, 1.0)

    def refused(self) -> Counter[int]:
        """By status."""
        return Counter(r["status"] for r in self.requests if r["status"] in REFUSED)

    def edits(self) -> dict[str, list[float]]:
        """Moments at which each message was edited, by its path."""
        found: dict[str, list[float]] = {}
        for request in self.requests:
            if request["method"] == "PATCH" and request["status"] == 200:
                found.setdefault(request["path"], []).append(request["at"])
        return found


def most_within(moments: Sequence[float], seconds: float) -> int:
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@asynccontextmanager
async def city(settings: Settings) -> AsyncIterator[City]:
    async with LocalDiscord.start() as local:
        assert local.emulator
        local.emulator.requests = deque()
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", env=environment(settings, local)
        )
        try:
            await local.wait_bot(60)
            yield City(local, local.emulator, bot)
        finally:
            bot.terminate()
            await bot.wait()


def environment(settings: Settings, local: LocalDiscord) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    assert settings.database.url is not None
    assert settings.redis.url is not None
    return kept | {
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
        "PICTOR_STORAGE__FOLDER": str(settings.storage.folder),
        "PICTOR_DISCORD__TOKEN": local.token,
        "PICTOR_DISCORD__API_BASE": local.api,
        "PICTOR_DISCORD__GATEWAY_URL": local.gateway,
        "PICTOR_PROVENANCE__ENABLED": "false",
        "PICTOR_LOG_LEVEL": "WARNING",
    }


@asynccontextmanager
async def busy_cores() -> AsyncIterator[None]:
    """A process for each core that computes and computes."""
    spin = "while True: pass"
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", spin)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            await process.wait()


def machine() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    python = platform.python_version()
    return f"{when}, {platform.machine()}, {os.cpu_count()} cores, Python {python}, load {load}"
