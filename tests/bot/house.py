"""A whole bot in the local Discord, and hands at the farm: what people do and see, in a few verbs."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from bot.__main__ import wired
from bot.client import PictorBot
from bot.emulator import people
from bot.emulator.client import LocalDiscord
from shared.config import Settings
from shared.jobs import Job
from tests.bot.connecting import connected
from tests.bot.farmhand import Farmhand
from tests.reading import buttons_of as buttons_of
from tests.reading import pictures_of
from tests.reading import text_of as text_of

Json = dict[str, Any]
BOAT = "a red sailboat on the sea at sunset --seed 7"


class House:
    """A bot that can be restarted, and hands at the farm."""

    def __init__(self, settings: Settings, local: LocalDiscord, farm: Farmhand) -> None:
        self.settings, self.local, self.farm = settings, local, farm
        self._open: AsyncExitStack | None = None
        self.bot: PictorBot

    async def start(self, settings: Settings | None = None) -> None:
        self._open = AsyncExitStack()
        self.bot = await self._open.enter_async_context(wired(settings or self.settings))
        await self._open.enter_async_context(connected(self.bot, self.local))

    async def stop(self) -> None:
        if self._open is not None:
            await self._open.aclose()
            self._open = None

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def imagine(self, prompt: str = BOAT, who: people.Person = people.FINN) -> Job:
        """Types /imagine and returns the job that came of it."""
        opened = await self.local.slash(who, "imagine", prompt=prompt)
        return await self.job_of(opened)

    async def job_of(self, interaction_id: str) -> Job:
        found = await self.local.wait_interaction(interaction_id)
        assert found["state"] == "answered", found
        async with asyncio.timeout(10):
            while True:
                for job_id in await self.farm.open_ids():
                    if (await self.farm.route(job_id)).message_id == found["message_id"]:
                        return await self.farm.load(job_id)
                await asyncio.sleep(0.05)

    async def newest(self, *, after: Job | None = None) -> Job:
        """The job that was asked for last, once there is one (that came after that one)."""
        async with asyncio.timeout(10):
            while True:
                jobs = [await self.farm.load(job_id) for job_id in await self.farm.open_ids()]
                fresh = [job for job in jobs if not after or job.submitted_at > after.submitted_at]
                if fresh:
                    return max(fresh, key=lambda job: job.submitted_at)
                await asyncio.sleep(0.05)

    async def message_of(self, job: Job) -> str:
        return (await self.farm.route(job.id)).message_id

    async def see(self, job: Job, *words: str, pictured: bool = False) -> Json:
        """Waits until the job's message says all of this."""
        message_id = await self.message_of(job)

        def told(message: Json) -> bool:
            return (
                message["id"] == message_id
                and all(word in text_of(message) for word in words)
                and (not pictured or bool(pictures_of(message)))
            )

        return await self.local.wait_message(told, timeout=15)

    async def finish(self, job: Job) -> Json:
        await self.farm.succeed(await self.farm.start(job.id))
        return await self.see(job, "seed", pictured=True)

    async def told(
        self, interaction_id: str, who: people.Person = people.FINN, channel: str = ""
    ) -> Json:
        """The private answer to an interaction, once it is there."""

        def private(message: Json) -> bool:
            meta = message.get("interaction_metadata") or {}
            loading = message["flags"] & 128
            return meta.get("id") == interaction_id and message["flags"] & 64 and not loading

        return await self.local.wait_message(private, timeout=15, user=who, channel=channel)

    async def fill(self, who: people.Person, interaction_id: str, **values: str) -> str:
        """Fills in the form that this interaction is answered with, and sends it."""
        await self.local.wait_interaction(interaction_id)
        return await self.local.submit(who, interaction_id, **values)
