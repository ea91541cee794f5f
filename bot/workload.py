"""A word to everybody first: what interactions ask for is done a few at a time, after Discord has its answer.

Discord waits three seconds for that answer. Hundreds of handlers at work at once would make each new one wait
for its turn of the event loop behind all of them.
"""

import asyncio
from typing import Any

import discord

AT_WORK = 8
LONGEST_S = 5.0  # who takes longer (a text service, an export) holds up nobody
_TURN = "turn"
Interaction = discord.Interaction[Any]


class Turn:
    """Ends once, however often it is told to."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places: asyncio.Semaphore | None = places

    def end(self, *_: object) -> None:
        if self._places is not None:
            self._places.release()
            self._places = None


class Workload:
    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_WORK)

    async def begin(self) -> Turn:
        """A place until the calling task ends, or for LONGEST_S."""
        await self._places.acquire()
        turn, task = Turn(self._places), asyncio.current_task()
        assert task is not None, "we were awaited"
        task.add_done_callback(turn.end)
        asyncio.get_running_loop().call_later(LONGEST_S, turn.end)
        return turn


async def begin(interaction: Interaction) -> None:
    """After the first answer, before any work."""
    workload: Workload | None = getattr(interaction.client, "workload", None)
    if workload is not None and _TURN not in interaction.extras:
        interaction.extras[_TURN] = await workload.begin()


def rest(interaction: Interaction) -> None:
    """From here on the handler only waits."""
    turn: Turn | None = interaction.extras.get(_TURN)
    if turn is not None:
        turn.end()
