"""A call that must answer in time. A detector that hangs must not hang the engine with it."""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """Runs calls on one daemon thread; after a timeout that thread is left behind for a fresh one.

    A kept thread, since torch builds its own pool for every thread that calls it; a daemon, since
    a hung one must not keep the process alive.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lane: _Lane | None = None

    def call(self, work: Callable[[], T]) -> T:
        """TimeoutError when `work` is late; whatever it raises otherwise."""
        lane = self._lane = self._lane or _Lane()
        answer: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()
        lane.put((work, answer))
        try:
            worked, value = answer.get(timeout=self.seconds)
        except queue.Empty:
            self._lane = None
            raise TimeoutError(f"no answer in {self.seconds:g} s") from None
        if not worked:
            assert isinstance(value, BaseException)
            raise value
        return value  # type: ignore[return-value]


class _Lane:
    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[
            tuple[Callable[[], object], queue.SimpleQueue[tuple[bool, object]]]
        ] = queue.SimpleQueue()
        self.put = self._calls.put
        threading.Thread(target=self._run, name="image-filter", daemon=True).start()

    def _run(self) -> None:
        while True:
            work, answer = self._calls.get()
            try:
                answer.put((True, work()))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put((False, error))
