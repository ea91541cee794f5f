"""Whose fault it was: every code that may pass with another try, and what becomes of its job."""

import ast
from pathlib import Path

import pytest

from farm.blame import MOST_OUTAGES, OUTAGES, TRANSIENT, Then, verdict
from shared.config import ROOT
from shared.errors import Fault


def after(code: str, *, retryable: bool = True, attempt: int = 1, crashes: int = 0) -> Then:
    return verdict(Fault(code, "...", retryable=retryable), attempt=attempt, crashes=crashes)


@pytest.mark.parametrize("code", sorted(OUTAGES))
def test_an_outage_counts_nothing(code: str) -> None:
    for crashes in range(5):
        assert after(code, attempt=crashes + 1, crashes=crashes) is Then.GIVE_BACK


@pytest.mark.parametrize("code", sorted(OUTAGES))
def test_an_outage_without_end_ends(code: str) -> None:
    assert after(code, attempt=MOST_OUTAGES - 1) is Then.GIVE_BACK
    assert after(code, attempt=MOST_OUTAGES) is Then.FAIL


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_what_is_known_to_pass_is_tried_until_the_rescuer_has_counted_enough(code: str) -> None:
    assert all(after(code, crashes=crashes) is Then.CRASH for crashes in range(5))


def test_what_nobody_knows_is_tried_once_more() -> None:
    assert after("never_heard_of") is Then.CRASH
    assert after("never_heard_of", crashes=1) is Then.FAIL


@pytest.mark.parametrize("code", ["not_finite", *sorted(OUTAGES | TRANSIENT)])
def test_what_will_not_pass_fails(code: str) -> None:
    assert after(code, retryable=False) is Then.FAIL


def test_every_code_of_the_renderer_that_may_pass_is_listed() -> None:
    folders = (ROOT / "farm/engine", ROOT / "farm/safety")
    files = [file for folder in folders for file in folder.rglob("*.py")]
    found = {code for file in files for code in retryable_codes(file)}
    assert found, "the renderer has retryable faults"
    assert found <= TRANSIENT


def retryable_codes(file: Path) -> set[str]:
    """Of each `Fault("code", ..., retryable=True)` in this file."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {
        str(call.args[0].value)
        for call in calls
        if any(one.arg == "retryable" and _is_true(one.value) for one in call.keywords)
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
