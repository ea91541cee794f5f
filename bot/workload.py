"""A word to everybody first: what interactions ask for is done a few at a time, once new ones are answered.

Discord waits three seconds for that answer. Handlers at work share the event loop with it: hundreds of them,
or a few on a machine whose cores are busy, would make each new one wait for its turn.
"""

import asyncio
from collections import deque
from typing import Any

import discord

AT_WORK = 4
LONGEST_S = (
    1.0  # who takes longer waits for somebody else (a link, a text service), and holds up nobody
)
PATIENCE_S = 1.0  # what was answered is begun after so long, however many new ones come
LOOK_S = 0.01
FORGOTTEN_S = 3.0  # Discord's
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
        self._arrived: deque[tuple[float, Interaction]] = deque()

    def arrived(self, interaction: Interaction) -> None:
        """From here on it waits for its first answer."""
        self._arrived.append((asyncio.get_running_loop().time(), interaction))

    async def begin(self) -> Turn:
        """A place until the calling task ends, or for LONGEST_S."""
        await self._places.acquire()
        turn, task, loop = Turn(self._places), asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "we were awaited"
        task.add_done_callback(turn.end)
        await self._after_the_new()
        loop.call_later(LONGEST_S, turn.end)
        return turn

    async def _after_the_new(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while (now := loop.time()) < until:
            if not self._somebody_waits(now):
                return
            await asyncio.sleep(LOOK_S)

    def _somebody_waits(self, now: float) -> bool:
        while self._arrived:
            at, first = self._arrived[0]
            if not first.response.is_done() and now - at < FORGOTTEN_S:
                return True
            self._arrived.popleft()
        return False


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
