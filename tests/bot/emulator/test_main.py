"""The local Discord as a process."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.emulator.__main__ import main

ROOT = Path(__file__).parents[3]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.emulator",
        "--token",
        "t",
        "--port",
        "0",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_says_where_it_is_and_leaves_cleanly(how: signal.Signals) -> None:
    process = await start()
    assert process.stdout is not None
    where = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert where["api"] == where["url"] + "/api/v10"
    assert where["gateway"].startswith("ws://127.0.0.1:")
    async with aiohttp.ClientSession() as session, session.get(where["url"]) as page:
        assert page.status == 200
        process.send_signal(how)
        _, complaints = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, complaints) == (0, b"")


async def test_a_public_address_is_for_people_only() -> None:
    process = await start("--public-url", "https://studio.example/")
    assert process.stdout is not None
    where = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    process.terminate()
    await asyncio.wait_for(process.communicate(), 10)
    assert where["url"] == "https://studio.example"
    assert where["api"].startswith("http://127.0.0.1:")
    assert where["gateway"].startswith("ws://127.0.0.1:")


def test_a_missing_description_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--token", "t", "--openapi", "/nowhere.json"]) == 2
    assert "cannot read Discord's description /nowhere.json" in capsys.readouterr().err


async def test_a_taken_port_is_named() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start("--port", str(port))
    _, complaints = await asyncio.wait_for(process.communicate(), 20)
    server.close()
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in complaints.decode()
