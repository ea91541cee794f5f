"""The parent's end of the pipe to its GPU child. Imports no torch; the child owns the device."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from farm.engine import frames
from farm.engine.messages import ToChild, ToParent, decode_to_parent, encode
from shared.errors import Fault

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Command line of the child; `threads` 0 = every core, budgets in GiB, 0 = measured."""

    snapshots: Path
    catalog: Path
    device: str = "cpu"
    rows: int = 32
    threads: int = 0
    vram_gb: float = 0
    host_gb: float = 0
    detectors: Path | None = None
    log_level: str = "INFO"

    def arguments(self) -> list[str]:
        return [
            *("--device", self.device),
            *("--rows", str(self.rows)),
            *("--threads", str(self.threads)),
            *("--vram-gb", str(self.vram_gb)),
            *("--host-gb", str(self.host_gb)),
            *("--snapshots", str(self.snapshots.resolve())),
            *("--catalog", str(self.catalog.resolve())),
            *("--log-level", self.log_level),
            *(("--detectors", str(self.detectors.resolve())) if self.detectors else ()),
        ]


class EngineClient:
    """One running child. `messages()` ends when the child is gone; `wait()` then says how."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer

    @classmethod
    async def start(cls, options: EngineOptions) -> "EngineClient":
        ours, theirs = socket.socketpair()
        with theirs:
            process = await _spawn(options, theirs.fileno())
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    async def send(self, message: ToChild) -> None:
        """Fault `engine_gone` (retryable) when the child no longer listens."""
        try:
            self.writer.write(frames.pack(encode(message)))
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as problem:
            raise Fault("engine_gone", "The renderer stopped.", retryable=True) from problem

    async def messages(self) -> AsyncIterator[ToParent]:
        while (payload := await frames.read(self.reader)) is not None:
            yield decode_to_parent(payload)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        return await self.process.wait()

    def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()

    async def close(self) -> int:
        """Close the pipe, which ends the child, and wait for it; killed if it does not go."""
        self.writer.close()
        try:
            return await asyncio.wait_for(self.process.wait(), timeout=5)
        except TimeoutError:
            self.kill()
            return await self.process.wait()


async def _spawn(options: EngineOptions, fd: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "farm.engine.process", "--fd", str(fd)),
        *options.arguments(),
        pass_fds=(fd,),
        stdin=asyncio.subprocess.DEVNULL,
        env=_environment(options),
    )


def _environment(options: EngineOptions) -> dict[str, str]:
    """The child gets no secret of ours, and no library in it may reach for the network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(options.threads or os.cpu_count() or 1),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }
