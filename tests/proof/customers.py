"""People who ask all the time, at a desk and in the local Discord, and note how long each answer took."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID

from bot.emulator.client import LocalDiscord
from bot.emulator.people import PRIYA
from shared.admission import FrontDesk, Person, Submission
from shared.errors import Fault

EVERY_S, AGAIN_S, ANSWER_WITHIN_S = 2.0, 1.0, 15.0
_numbers = count(1)


class Customers:
    """`slowest_s` is the longest that one call took, whatever its answer; `accepted` are their jobs."""

    def __init__(self, desk: FrontDesk, discord: LocalDiscord) -> None:
        self._desk, self._discord = desk, discord
        self.accepted: list[UUID] = []
        self.slowest_s = 0.0
        self.put_off = 0

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        asking = asyncio.create_task(self._keep_asking())
        try:
            yield
            assert not asking.done(), asking.result()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def order(self) -> UUID:
        """Whoever is told to try again does, with the same key."""
        number = next(_numbers)
        person = Person(f"customer-{number}", f"Customer {number}", "pro")
        asked = Submission("a boat --seed 7", person, None, f"customer-{number}")
        while True:
            began = time.monotonic()
            try:
                receipt = await self._desk.submit(asked)
            except Fault as fault:
                if not fault.retryable:
                    raise
                self.put_off += 1
            else:
                self.accepted.append(receipt.jobs[0].id)
                return receipt.jobs[0].id
            finally:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            await asyncio.sleep(AGAIN_S)

    async def imagine(self) -> str:
        """What became of an /imagine: whether the person was answered at all."""
        interaction = await self._discord.slash(PRIYA, "imagine", prompt="a red boat")
        found = await self._discord.wait_interaction(interaction, ANSWER_WITHIN_S)
        return str(found["state"])

    async def _keep_asking(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self.order())
                await asyncio.sleep(EVERY_S)
