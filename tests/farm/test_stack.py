"""Processes of one machine: they start, they are watched, and they never outlive their owner."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from farm.stack import Stack
from shared.errors import Fault


async def never() -> bool:
    return False


async def test_a_part_that_ends_is_a_fault_that_shows_its_log(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    await stack.start("broken", "this_module_is_not_there")
    with pytest.raises(Fault, match="this_module_is_not_there"):
        await stack.healthy("broken", never, within_s=20)
    await stack.close()


async def test_a_part_that_is_late_is_a_fault(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    await stack.start("late", "http.server", "0", "--bind", "127.0.0.1")
    with pytest.raises(Fault, match="not healthy within"):
        await stack.healthy("late", never, within_s=0.3)
    await stack.close()


async def test_close_ends_every_part(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    part = await stack.start("server", "http.server", "0", "--bind", "127.0.0.1")
    assert psutil.pid_exists(part.pid)
    await stack.close()
    assert not psutil.pid_exists(part.pid)


OWNER = """
import asyncio, pathlib, sys
from farm.stack import Stack

async def main():
    part = await Stack(pathlib.Path(sys.argv[1])).start("server", "http.server", "0")
    print(part.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_killed_owner_takes_its_parts_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    assert not psutil.pid_exists(pid)
