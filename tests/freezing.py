"""A server that is frozen: it takes connections and answers nothing, until it is let go."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """With every process that it has started. Postgres has one for each connection."""
    stopped = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()
