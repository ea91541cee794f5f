"""Hugging Face may be down, or not be there at all: no GPU process ever asks for it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from farm.engine.client import EngineClient, EngineOptions
from farm.engine.messages import Drain, Render, Rendered
from shared.config import SHARED
from tests.farm.engine.desk import recipe

# Loaded by every Python of this environment before anything else.
WATCH = """
import sys

def watch(event, arguments):
    named = event in ("socket.getaddrinfo", "socket.gethostbyname")
    if named or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        with open({log!r}, "a") as log:
            print(event, arguments[-1] if event == "socket.connect" else arguments[0], file=log)
        raise OSError("there is no network here")

sys.addaudithook(watch)
"""


@pytest.fixture
def reached_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "reached_for.log"
    log.touch()
    (tmp_path / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return log


async def test_a_picture_is_drawn_without_any_network(tmp_path: Path, reached_for: Path) -> None:
    options = EngineOptions(tmp_path / "snapshots", SHARED / "catalog.toml", threads=1)
    client = await EngineClient.start(options)
    spec = recipe(steps=2, images=1).as_dict()
    await client.send(Render(job_id="job-1", attempt=1, spec=spec, snapshot_every=1))
    async with asyncio.timeout(120):
        rendered = await anext(m async for m in client.messages() if isinstance(m, Rendered))
        await client.send(Drain())
        assert await client.wait() == 0
    await client.close()
    assert len(rendered.pictures) == 1
    assert reached_for.read_text() == ""


def test_whoever_did_would_be_seen(reached_for: Path) -> None:
    curious = "import socket; socket.create_connection(('huggingface.co', 443))"
    done = subprocess.run([sys.executable, "-c", curious], capture_output=True, check=False)
    assert b"there is no network here" in done.stderr
    assert "huggingface.co" in reached_for.read_text()
