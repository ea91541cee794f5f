"""A process of one in which strangers' pictures are opened: little memory, no files, and a short life.

`python -m farm.safety.cell` reads messages from stdin and answers on stdout. Its parent (`Cell`) ends it
when it is late, and starts another when there is something to look at again.
"""

import asyncio
import contextlib
import os
import resource
import struct
import sys
from typing import BinaryIO

import msgspec
from PIL import ImageOps

from farm.safety.examination import Examination, Trust, examine
from farm.safety.opening import open_image
from shared.config import ROOT
from shared.errors import Fault, Refusal

MEMORY = 512 * 2**20  # bytes of address space, beyond what it has when it is ready
SECONDS = 20.0  # a mark is read in 0.4 s; on a crowded machine in some
LENGTH = struct.Struct(">Q")
MOST_ANSWER = 64 * 2**20
UNSAFE = "That file could not be opened safely."


class Question(msgspec.Struct, frozen=True):
    """Without `trust` the picture is only to be opened."""

    trust: Trust | None
    data: bytes


class Opened(msgspec.Struct, frozen=True):
    """8-bit RGB, row by row, upright."""

    width: int
    height: int
    rgb: bytes


class Answer(msgspec.Struct, frozen=True):
    """Either what was found, or the Refusal's code and sentence."""

    found: Examination | None = None
    opened: Opened | None = None
    code: str = ""
    sentence: str = ""


class Cell:
    """One picture at a time. `seconds` is what each may take, with the start of a process."""

    def __init__(self, trust: Trust | None = None, *, seconds: float = SECONDS) -> None:
        """Without `trust` it opens pictures, and examines none."""
        self._trust, self._seconds = trust, seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def examine(self, data: bytes) -> Examination:
        """Refusal for what is no picture, for one that is too large, and for one that kills or stalls."""
        assert self._trust is not None, "a cell that examines is told what to trust"
        answer = await self._answered(Question(self._trust, data))
        if answer.found is None:
            raise Refusal(answer.code, answer.sentence)
        return answer.found

    async def open(self, data: bytes) -> Opened:
        """Refusal as for `examine`."""
        answer = await self._answered(Question(None, data))
        if answer.opened is None:
            raise Refusal(answer.code, answer.sentence)
        return answer.opened

    async def _answered(self, asked: Question) -> Answer:
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._ask(asked)
            except (TimeoutError, OSError, EOFError, msgspec.MsgspecError) as error:
                await self._end()
                raise Refusal("picture_unsafe", UNSAFE) from error
            except BaseException:
                await self._end()  # whoever asked has gone; the answer must not be another's
                raise

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, asked: Question) -> Answer:
        process = self._process = self._process or await _start()
        assert process.stdin is not None
        assert process.stdout is not None
        question = msgspec.msgpack.encode(asked)
        process.stdin.write(LENGTH.pack(len(question)) + question)
        await process.stdin.drain()
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > MOST_ANSWER:
            raise EOFError("an answer that no picture needs")
        return msgspec.msgpack.decode(await process.stdout.readexactly(length), type=Answer)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _start() -> asyncio.subprocess.Process:
    """It is told nothing of ours but where its code lies."""
    plain = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "farm.safety.cell"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=plain | single,
            cwd="/",
            limit=2**20,
        )
    except OSError as error:
        raise Fault("no_cell", "Pictures cannot be looked at here.", retryable=True) from error


def main(source: BinaryIO, target: BinaryIO) -> None:
    """Until stdin ends."""
    _confine()
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        answer = msgspec.msgpack.encode(_answer(source.read(length)))
        target.write(LENGTH.pack(len(answer)) + answer)
        target.flush()


def _answer(question: bytes) -> Answer:
    asked = msgspec.msgpack.decode(question, type=Question)
    try:
        if asked.trust is None:
            return Answer(opened=_opened(asked.data))
        return Answer(examine(asked.data, asked.trust))
    except Refusal as refusal:
        return Answer(code=refusal.code, sentence=refusal.sentence)
    except Exception:  # also MemoryError
        return Answer(code="picture_unsafe", sentence=UNSAFE)


def _opened(data: bytes) -> Opened:
    """As its camera was held."""
    image = ImageOps.exif_transpose(open_image(data))
    return Opened(image.width, image.height, image.tobytes())


def _confine() -> None:
    """No core, no file written, and memory for one picture."""
    with open("/proc/self/statm") as told:
        mapped = int(told.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: mapped + MEMORY,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
