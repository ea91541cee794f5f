"""The GPU child: `python -m farm.engine.process --fd N ...`, started by the worker's parent.

Messages come in frames over the inherited pipe. When the pipe closes the parent is dead, and so is
this process, at once. SIGTERM, like Drain, snapshots every job, gives it back and ends.
"""

import argparse
import ctypes
import logging
import os
import platform
import queue
import signal
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import torch

from farm.engine import frames
from farm.engine.engine import Engine
from farm.engine.inspection import ImageFilter, Inspections
from farm.engine.messages import (
    Drain,
    Drop,
    Inspect,
    Ready,
    Render,
    ToChild,
    ToParent,
    decode_to_child,
    encode,
)
from farm.engine.pool import Pool
from farm.engine.snapshots import SnapshotFolder, SnapshotWriter, sweep_old
from shared.catalog import Catalog, read_catalog
from shared.errors import Fault

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
UNFIT = 78  # EX_CONFIG: starting again will not help
LOOK_EVERY_S = 1.0  # at late answers of the filter, while nothing else happens


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
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._pipe.sendall(frames.pack(encode(message)))
            except OSError:
                os._exit(0)  # nobody is there to hear it


class Process:
    def __init__(self, engine: Engine, mailbox: Mailbox) -> None:
        self.engine = engine
        self.mailbox = mailbox
        self.leaving = False

    def run(self) -> None:
        while not self.leaving:
            for message in self.mailbox.take(self._patience()):
                self._handle(message)
            self.engine.step()

    def _patience(self) -> float | None:
        if not self.engine.idle:
            return 0
        return LOOK_EVERY_S if self.engine.inspections.pending else None

    def _handle(self, message: ToChild) -> None:
        match message:
            case Render():
                self.engine.admit(message)
            case Inspect():
                self.engine.inspect(message)
            case Drop():
                self.engine.drop(message.job_id, forget=message.forget)
            case Drain():
                self.engine.drain()
                self.leaving = True


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    _die_with_parent()
    logging.basicConfig(level=options.log_level, format="%(levelname)s %(name)s %(message)s")
    mailbox = Mailbox()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: mailbox.put(Drain()))
    pipe = socket.socket(fileno=options.fd)
    _listen(pipe, mailbox)
    try:
        return _serve(options, mailbox, Outbox(pipe))
    except Fault as fault:
        log.critical("The renderer cannot start (%s): %s", fault.code, fault.sentence)
        return UNFIT


def _serve(options: argparse.Namespace, mailbox: Mailbox, outbox: Outbox) -> int:
    if options.threads:
        torch.set_num_threads(options.threads)
    catalog = read_catalog(options.catalog)
    pool = Pool(catalog, device=options.device)
    folder = SnapshotFolder(options.snapshots)
    sweep_old(folder)
    engine = Engine(
        pool,
        rows=options.rows,
        snapshots=SnapshotWriter(folder),
        inspections=Inspections(partial(_open_filter, catalog), wake=mailbox.wake),
        send=outbox.send,
    )
    pool.get(catalog.default)
    outbox.send(Ready(options.device, _device_name(options.device), pool.warm))
    Process(engine, mailbox).run()
    outbox.close()
    return 0


def _open_filter(catalog: Catalog, name: str) -> ImageFilter:
    from farm.safety.images import open_filter

    return open_filter(catalog.get(name))


def _listen(pipe: socket.socket, mailbox: Mailbox) -> None:
    def read() -> None:
        try:
            while (payload := frames.receive(pipe)) is not None:
                mailbox.put(decode_to_child(payload))
        except Exception:
            log.exception("The pipe from the parent is broken.")
        os._exit(0)

    threading.Thread(target=read, name="mailbox", daemon=True).start()


def _die_with_parent() -> None:
    """Linux: the kernel ends us with the parent even while a kernel or a load holds this thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--snapshots", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--log-level", default="INFO")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
