"""Starts the stub in the place of a worker's GPU process: `run_worker(settings, start=stub(...))`."""

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from farm.engine.client import EngineClient, EngineOptions

ROOT = Path(__file__).resolve().parents[2]


def stub(
    orders: Path, *, name: str = "stub", step_ms: float = 2.0
) -> Callable[[EngineOptions], Awaitable[EngineClient]]:
    """`orders` is a folder of this run, where `Points` of `name` are looked for."""
    more = [*("--orders", str(orders)), *("--name", name), *("--step-ms", str(step_ms))]

    async def start(options: EngineOptions) -> EngineClient:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.stub", "--fd", str(theirs.fileno())),
                *(*options.arguments(), *more),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        return EngineClient(process, reader, writer)

    return start
