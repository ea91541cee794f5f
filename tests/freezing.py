"""A server that is frozen: it takes connections and answers nothing, until it is let go."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """With every process that it has started. Postgres has one for each connection."""
    stopped = [psutil.Process(pid)]
    try:
        stopped[0].suspend()  # it starts no more
        for process in stopped[0].children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                stopped.append(process)
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()
