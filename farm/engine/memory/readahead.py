"""Reading what will be needed, in a thread of its own, before anybody waits for it."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Key = TypeVar("Key")


class ReadAhead(Generic[Key]):
    """`read` is called for one at a time, in the order last asked for.

    What is being read is read to its end. The thread lives while there is something to do.
    """

    def __init__(self, read: Callable[[Key], object]) -> None:
        self._read = read
        self._wanted: list[Key] = []
        self._changed = threading.Condition()
        self._at_work = False

    def want(self, keys: Sequence[Key]) -> None:
        with self._changed:
            self._wanted = list(keys)
            if keys and not self._at_work:
                self._at_work = True
                threading.Thread(target=self._work, name="read-ahead", daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Until nothing is left to read; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._at_work, timeout)

    def _work(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._read(key)
            except Exception as problem:
                log.warning("Reading %s ahead failed; who needs it hears why: %s", key, problem)

    def _next(self) -> Key | None:
        with self._changed:
            if self._wanted:
                return self._wanted.pop(0)
            self._at_work = False
            self._changed.notify_all()
            return None
