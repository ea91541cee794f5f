"""The child's ends of the pipe: what arrives lies in a mailbox, what leaves goes by an outbox."""

import logging
import os
import queue
import socket
import threading

from farm.engine import frames
from farm.engine.messages import ToChild, ToParent, decode_to_child, encode

log = logging.getLogger(__name__)


class Mailbox:
    """What the reader thread received, and wake-ups. Safe to put into from a signal handler."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[ToChild | None] = queue.SimpleQueue()
        self.put = self._queue.put

    def wake(self) -> None:
        self._queue.put(None)

    def take(self, timeout_s: float | None) -> list[ToChild]:
        """All there is; waits for the first up to `timeout_s`, for ever if None, not at all if 0."""
        taken: list[ToChild | None] = []
        try:
            taken.append(self._queue.get(block=timeout_s != 0, timeout=timeout_s))
            while True:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            return [message for message in taken if message is not None]


class Outbox:
    """Sends from its own thread: a parent that is slow to read does not stop a step."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._queue: queue.SimpleQueue[ToParent | None] = queue.SimpleQueue()
        self.send = self._queue.put
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Once everything is sent."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._pipe.sendall(frames.pack(encode(message)))
            except OSError:
                os._exit(0)  # nobody is there to hear it


def listen(pipe: socket.socket, mailbox: Mailbox) -> None:
    """From a thread of its own, which ends the whole process at once when the parent is gone."""

    def read() -> None:
        try:
            while (payload := frames.receive(pipe)) is not None:
                mailbox.put(decode_to_child(payload))
        except Exception:
            log.exception("The pipe from the parent is broken.")
        os._exit(0)

    threading.Thread(target=read, name="mailbox", daemon=True).start()
