"""What the operator wants this worker to have at hand, or not: read from Postgres, carried out by the child."""

import asyncio
import logging

from farm.child import Child, EngineGone
from farm.closet import Closet
from farm.engine.messages import Garment, Stock, Stocked
from shared import wishes
from shared.connections import Database
from shared.errors import Fault
from shared.wishes import LOAD, LORA, Wish

log = logging.getLogger(__name__)

WITHIN_S = 300.0  # a large checkpoint from a slow disk


class Stocking:
    """One wish after the other, the oldest first. Who dies in the middle finds it again in its next life."""

    def __init__(self, worker: str, database: Database, child: Child, closet: Closet) -> None:
        self._worker, self._database = worker, database
        self._child, self._closet = child, closet

    async def look(self) -> None:
        if self._child.ready is None:
            return
        async with self._database.single() as session:
            wanted = await wishes.of_worker(session, self._worker)
        for wish in wanted:
            try:
                answer = await self._answer(wish)
            except EngineGone:
                return
            await self._tell(wish, answer)

    async def tidy(self) -> None:
        """What was deleted leaves the child's memory, too, when no job holds it any more."""
        for name in await self._closet.tidy():
            try:
                await self._child.stock(Stock(f"tidy:{name}", LORA, name, there=False))
            except EngineGone:
                return

    async def _answer(self, wish: Wish) -> Stocked:
        try:
            async with asyncio.timeout(WITHIN_S):
                answer = await self._child.stock(await self._order(wish))
        except Fault as fault:
            return Stocked(str(wish.id), done=False, detail=fault.sentence)
        except TimeoutError:
            return Stocked(
                str(wish.id), done=False, detail="The GPU process did not answer in time."
            )
        if answer.done and wish.kind == LORA and wish.action != LOAD:
            await self._closet.drop(wish.name)
        return answer

    async def _order(self, wish: Wish) -> Stock:
        garment: Garment | None = None
        if wish.kind == LORA and wish.action == LOAD:
            (garment,) = await self._closet.named([wish.name])
        there = wish.action == LOAD
        return Stock(str(wish.id), wish.kind, wish.name, there=there, garment=garment)

    async def _tell(self, wish: Wish, answer: Stocked) -> None:
        async with self._database.begin() as session:
            await wishes.ended(session, wish.id, done=answer.done, detail=answer.detail)
        log.info("%s %s: %s", wish.action, wish.name, answer.detail or "done")
