"""`pictor demo` and `pictor imagine` as a newcomer runs them: as programs."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

PROMPT = "a red sailboat on the sea at sunset --seed 7"

pytestmark = pytest.mark.timeout(300)


# The mark in the pixels names the job: without it, and only then, are two jobs' pixels the same.
UNMARKED = {"PICTOR_PROVENANCE__ENABLED": "false"}


def pictor(*arguments: str, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "farm", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        cwd=folder,
    )


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def ended(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive


def imagine(output: Path, *extra: str) -> tuple[int, str, str, list[psutil.Process]]:
    """Exit code, stdout, stderr, and the processes that it had started."""
    arguments = ("imagine", PROMPT, "--output", str(output), *extra)
    process = pictor(*arguments, folder=output.parent, **UNMARKED)
    seen: dict[int, psutil.Process] = {}
    while True:
        try:
            out, err = process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            seen |= {child.pid: child for child in family(process.pid)}
        else:
            return process.returncode, out, err, list(seen.values())


def test_the_same_prompt_and_seed_give_the_same_pixels_and_no_process_stays(tmp_path: Path) -> None:
    code, said, errors, started = imagine(tmp_path / "boat.webp", "--json")
    assert code == 0, errors
    facts: dict[str, Any] = json.loads(said)
    assert (facts["state"], facts["seed"], facts["error"]) == ("succeeded", 7, None)
    steps = ("queue", "load", "denoise", "decode", "filter", "deliver", "total")
    assert set(steps) == set(facts["timings_ms"])
    assert 0 < facts["cost_ms"] <= 60_000
    assert facts["link"].startswith("file://")
    assert len(started) >= 4, "the walk has a dispatcher, a worker, a child and two servers"
    assert ended(started)

    code, said, errors, _ = imagine(tmp_path / "again.png")
    assert code == 0, errors
    for word in ("job", "timings", "cost", "link", "denoise"):
        assert word in said
    first, second = (Image.open(tmp_path / name) for name in ("boat.webp", "again.png"))
    assert np.array_equal(np.asarray(first.convert("RGB")), np.asarray(second.convert("RGB")))


def test_a_refused_prompt_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    process = pictor("imagine", "a house --stepz 4", folder=tmp_path)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert "--steps" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "pictor.webp").exists()
    assert said == ""


def test_the_demo_prints_two_urls_and_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    process = pictor("demo", "--port", "0", "--folder", str(tmp_path / "demo"), folder=tmp_path)
    assert process.stdout is not None
    urls: list[str] = []
    for line in process.stdout:
        urls += re.findall(r"https?://\S+", line)
        if "Ctrl-C" in line:
            break
    discord, client = urls
    assert "#key=pk_live_" in client
    for url in (discord, client):
        with urllib.request.urlopen(url, timeout=5) as page:
            assert b"Pictor" in page.read()
    started = family(process.pid)
    assert len(started) >= 8, "five parts, two servers, a GPU child, and their guardians"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert ended(started)
