"""What a child was asked to stock and has not answered yet."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from farm.engine.messages import Stocked


class Answers:
    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[Stocked]] = {}

    @contextmanager
    def expected(self, order_id: str) -> Iterator["asyncio.Future[Stocked]"]:
        answer = self._open[order_id] = asyncio.get_running_loop().create_future()
        try:
            yield answer
        finally:
            answer.cancel()
            del self._open[order_id]

    def hear(self, stocked: Stocked) -> None:
        """Whoever has stopped waiting is told nothing."""
        answer = self._open.get(stocked.id)
        if answer is not None and not answer.done():
            answer.set_result(stocked)

    def give_up(self, why: Exception) -> None:
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(why)
