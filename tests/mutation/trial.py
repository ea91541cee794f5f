"""A guard on trial: taken out of a copy of the tree, its tests run there, and put back."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutation.guards import Guard

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "var", "node_modules", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"
)
TEST_S = 120  # one test; a guard's absence may well be a hang
RED = re.compile(r"^FAILED ([^\s\[]+)", re.MULTILINE)


class Outcome(StrEnum):
    CAUGHT = "caught"
    SURVIVED = "survived"
    BROKEN = "broken"  # the tests could not even run: that proves nothing


@dataclass(frozen=True, slots=True)
class Verdict:
    """`told` is the test that turned red, or the end of what pytest said when none could."""

    guard: Guard
    outcome: Outcome
    told: str
    seconds: float


def copy_of(root: Path, target: Path) -> Path:
    shutil.copytree(root, target, ignore=LEFT_OUT, symlinks=True)
    return target


def try_without(guard: Guard, tree: Path) -> Verdict:
    path, began = tree / guard.path, time.monotonic()
    whole = path.read_text()
    path.write_text(guard.removed_from(whole))
    try:
        code, said = run_tests(tree, guard.tests)
    finally:
        path.write_text(whole)
    return Verdict(guard, *_read(code, said), seconds=time.monotonic() - began)


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Up to the first that is red. No byte code is kept: two texts of one second would be one file."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    limits = [f"--timeout={TEST_S}", "--timeout-method=signal"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *limits, *tests],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _read(code: int, said: str) -> tuple[Outcome, str]:
    red = RED.search(said)
    if code == 1 and red:
        return Outcome.CAUGHT, red[1]
    if code == 0:
        return Outcome.SURVIVED, ""
    return Outcome.BROKEN, said.strip()[-1500:]
