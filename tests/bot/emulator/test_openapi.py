"""Discord's own description judges the bodies."""

import time
from pathlib import Path
from typing import Any

import pytest

from bot.emulator.openapi import Description

CREATE = ("POST", "/channels/{channel_id}/messages")
BUTTON = {"type": 2, "style": 1, "label": "Go", "custom_id": "a"}


def row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"components": [{"type": 1, "components": list(children)}]}


@pytest.mark.parametrize(
    "body",
    [
        row(BUTTON | {"custom_id": "x" * 101}),
        row(*[BUTTON] * 6),
        row(BUTTON | {"label": "l" * 81}),
        row(BUTTON | {"style": 9}),
        {"content": "x" * 4001},
        {"nonce": "n" * 26},
        {"content": 7},
    ],
)
def test_refuses(judged: Description, body: dict[str, Any]) -> None:
    assert judged.problems(*CREATE, body)


def test_takes_what_is_legal(judged: Description) -> None:
    assert judged.problems(*CREATE, {"content": "hello", **row(BUTTON)}) == []
    # Discord takes ids as numbers too, and discord.py sends them so.
    assert judged.problems(*CREATE, {"attachments": [{"id": 0, "filename": "a.png"}]}) == []


def test_names_the_place(judged: Description) -> None:
    (problem,) = judged.problems(*CREATE, {"content": 7})
    assert problem.path == ("content",)


def test_operations_without_a_body_are_not_judged(judged: Description) -> None:
    assert judged.problems("GET", "/users/@me", {}) == []
    assert judged.problems("POST", "/no/such/path", {"content": 7}) == []


def test_is_quick(judged: Description) -> None:
    body = {"content": "hello", "components": [row(BUTTON)["components"][0]] * 5}
    judged.problems(*CREATE, body)
    started = time.perf_counter()
    for _ in range(20):
        judged.problems(*CREATE, body)
    assert (time.perf_counter() - started) / 20 < 0.05


def test_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read Discord's description"):
        Description.load(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    with pytest.raises(ValueError, match="cannot use Discord's description"):
        Description.load(broken)
