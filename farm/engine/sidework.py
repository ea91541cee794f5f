"""Work beside the loop: done in its own threads, its end told by the loop when it next looks."""

import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from farm.engine.line import COURTESY, Line

T = TypeVar("T")
Ending = Callable[[], None]
Asked = tuple[Callable[[], Any], Any, Any]  # the work, then, fails


class Sidework:
    """`wake` is called from a thread when an end lies ready; `collect` then tells it, in the loop's.

    A thread for each of `threads`: the worst rank that it takes, so that a better one need not wait
    until long work of the worst has ended. The threads end with the last who holds the Sidework.
    """

    def __init__(
        self, name: str, *, wake: Callable[[], None], threads: Sequence[int] = (COURTESY,)
    ) -> None:
        self.pending = 0
        self._asked: Line[Asked] = Line()
        self._ended: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        weakref.finalize(self, self._asked.close)
        for number, worst in enumerate(threads):
            threading.Thread(
                target=_run,
                args=(self._asked, worst, self._ended, wake),
                name=f"{name}-{number}",
                daemon=True,
            ).start()

    def ask(
        self,
        work: Callable[[], T],
        *,
        then: Callable[[T], None],
        fails: Callable[[Exception], None],
        rank: int = 1,
    ) -> None:
        """Exactly one of `then` and `fails` is called, by `collect`."""
        self.pending += 1
        self._asked.put((work, then, fails), rank=rank)

    def collect(self) -> None:
        while True:
            try:
                tell = self._ended.get_nowait()
            except queue.Empty:
                return
            self.pending -= 1
            tell()


def _run(
    asked: Line[Asked], worst: int, ended: queue.SimpleQueue[Ending], wake: Callable[[], None]
) -> None:
    while (one := asked.take(worst=worst)) is not None:
        ended.put(_ending(*one))
        del one  # it holds a job, and a job holds its checkpoint
        wake()


def _ending(work: Callable[[], T], then: Callable[[T], None], fails: Any) -> Ending:
    try:
        with torch.inference_mode():
            result = work()
    except Exception as problem:
        caught = problem
        return lambda: fails(caught)
    return lambda: then(result)
