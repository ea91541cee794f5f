"""The GPU child: `python -m farm.engine.process --fd N ...`, started by the worker's parent.

Messages come in frames over the inherited pipe. When the pipe closes the parent is dead, and so is
this process, at once. SIGTERM, like Drain, snapshots every job, gives it back and ends.
"""

import argparse
import ctypes
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from farm.engine.mailbox import Mailbox, Outbox, listen
from farm.engine.messages import Drain
from shared.catalog import read_catalog
from shared.errors import Fault

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
BROKEN = 1  # a bug of ours: its traceback is in the log
UNFIT = 78  # EX_CONFIG: starting again will not help
GIB = 2**30


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    _die_with_parent()
    logging.basicConfig(level=options.log_level, format="%(levelname)s %(name)s %(message)s")
    mailbox = Mailbox()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, lambda *_: mailbox.put(Drain()))
    pipe = socket.socket(fileno=options.fd)
    listen(pipe, mailbox)
    outbox = Outbox(pipe)
    code = _served(options, mailbox, outbox)
    outbox.close()
    return code


def end(code: int) -> NoReturn:
    """At once. The interpreter's own way out waits for threads, or stops them deep inside torch."""
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _served(options: argparse.Namespace, mailbox: Mailbox, outbox: Outbox) -> int:
    try:
        _serve(options, mailbox, outbox)
    except Fault as fault:
        log.critical("The renderer cannot run here (%s): %s", fault.code, fault.sentence)
        return UNFIT
    except Exception:
        log.critical("The renderer broke.", exc_info=True)
        return BROKEN
    return 0


def _serve(options: argparse.Namespace, mailbox: Mailbox, outbox: Outbox) -> None:
    catalog = read_catalog(options.catalog)
    # torch takes seconds to import: by now a parent that dies meanwhile, or a wrong catalog, is noticed.
    from farm.engine.serving import Place, serve

    place = Place(
        options.device,
        rows=options.rows,
        threads=options.threads,
        snapshots=options.snapshots,
        detectors=options.detectors,
        vram=round(options.vram_gb * GIB) or None,
        host=round(options.host_gb * GIB) or None,
    )
    serve(place, catalog, mailbox, outbox)


def _die_with_parent() -> None:
    """Linux: the kernel ends us with the parent, also while a kernel or a load holds every thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--vram-gb", type=float, default=0)
    parser.add_argument("--host-gb", type=float, default=0)
    parser.add_argument("--snapshots", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--detectors", type=Path)
    parser.add_argument("--log-level", default="INFO")
    return parser.parse_args(argv)


if __name__ == "__main__":
    end(main())
