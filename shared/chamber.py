"""A process in which bytes from strangers are read: little memory, no files, no secrets, and a short life.

The module that runs in it ends with `serve(answer)`; its parent asks through a `Chamber`, which ends it when
it is late, and starts another when there is something to look at again.
"""

import asyncio
import contextlib
import os
import resource
import struct
import sys
from collections.abc import Callable

from shared.config import ROOT
from shared.errors import Fault, Refusal

MEMORY = 512 * 2**20  # bytes of address space, beyond what it has when it is ready
SECONDS = 20.0  # a mark is read in 0.4 s; on a crowded machine in some
LENGTH = struct.Struct(">Q")
MOST_ANSWER = 64 * 2**20
UNSAFE = "That file could not be opened safely."


class Chamber:
    """One question at a time. `seconds` is what each may take, with the start of a process."""

    def __init__(self, module: str, *, seconds: float = SECONDS) -> None:
        self._module, self._seconds = module, seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that is ready, if there is one."""
        return self._process.pid if self._process else None

    async def ask(self, question: bytes) -> bytes:
        """Refusal `picture_unsafe` for what kills it or stalls it."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._asked(question)
            except (TimeoutError, OSError, EOFError) as error:
                await self._end()
                raise Refusal("picture_unsafe", UNSAFE) from error
            except BaseException:
                await self._end()  # whoever asked has gone; the answer must not be another's
                raise

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _asked(self, question: bytes) -> bytes:
        process = self._process = self._process or await _start(self._module)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LENGTH.pack(len(question)) + question)
        await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > MOST_ANSWER:
            raise EOFError("an answer that no picture needs")
        return await process.stdout.readexactly(length)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _start(module: str) -> asyncio.subprocess.Process:
    """It is told nothing of ours but where its code lies."""
    plain = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=plain | single,
            cwd="/",
            limit=2**20,
        )
    except OSError as error:
        raise Fault("no_cell", "Pictures cannot be looked at here.", retryable=True) from error


def serve(answer: Callable[[bytes], bytes], *, memory: int = MEMORY) -> None:
    """In the process itself, until stdin ends."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    _confine(memory)
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        answered = answer(source.read(length))
        target.write(LENGTH.pack(len(answered)) + answered)
        target.flush()


def _confine(memory: int) -> None:
    """No core, no file written, and memory for one question."""
    with open("/proc/self/statm") as told:
        mapped = int(told.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: mapped + memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
