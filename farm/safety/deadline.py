"""A call that must answer in time. A detector that hangs must not hang the engine with it."""

import queue
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """Runs calls on one daemon thread; after a timeout that thread is left behind for a fresh one.

    A thread ends with its Deadline; one left behind, when its late call returns.

    A kept thread, since torch builds its own pool for every thread that calls it; a daemon, since
    a hung one must not keep the process alive.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lane: _Lane | None = None

    def call(self, work: Callable[[], T]) -> T:
        """TimeoutError when `work` is late; whatever it raises otherwise."""
        lane = self._lane = self._lane or self._start()
        answer: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()
        lane.put((work, answer))
        try:
            worked, value = answer.get(timeout=self.seconds)
        except queue.Empty:
            self._lane = None
            lane.put(None)
            raise TimeoutError(f"no answer in {self.seconds:g} s") from None
        if not worked:
            assert isinstance(value, BaseException)
            raise value
        return value  # type: ignore[return-value]

    def _start(self) -> "_Lane":
        lane = _Lane()
        weakref.finalize(self, lane.put, None)
        return lane


class _Lane:
    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[
            tuple[Callable[[], object], queue.SimpleQueue[tuple[bool, object]]] | None
        ] = queue.SimpleQueue()
        self.put = self._calls.put
        threading.Thread(target=self._run, name="image-filter", daemon=True).start()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            work, answer = call
            try:
                answer.put((True, work()))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put((False, error))
            del call, work, answer  # what it was asked must not live until the next question
