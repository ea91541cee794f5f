"""`pictor key`: a key on stdout, once; anybody's, with any scope."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from farm import keycommands
from farm.__main__ import app
from shared.config import ApiSettings, Settings

PEPPER = SecretStr("of these tests alone, thirty-two bytes and more")
Pictor = Callable[..., Any]


@pytest.fixture
def pictor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Pictor:
    ours = settings.model_copy(update={"api": ApiSettings(pepper=PEPPER)})
    monkeypatch.setattr(keycommands, "read_settings", lambda: ours)

    def pictor(*words: str) -> Any:
        return CliRunner().invoke(app, ["key", *words])

    return pictor


def test_a_key_is_made_listed_turned_and_revoked(pictor: Pictor) -> None:
    made = pictor("create", "ops", "--admin", "--days", "3")
    assert made.exit_code == 0, made.output
    assert made.stdout.strip().startswith("pk_live_")
    assert len(made.stdout.split()) == 1  # so that a script can take it
    (told,) = json.loads(pictor("list", "--json").stdout)
    assert (told["name"], "admin" in told["scopes"]) == ("ops", True)
    assert made.stdout.strip() not in pictor("list").stdout
    turned = json.loads(pictor("rotate", told["id"], "--json").stdout)
    assert turned["key"].startswith("pk_live_")
    assert pictor("revoke", turned["id"]).exit_code == 0
    assert "no keys" in pictor("list").stdout


WRONG = {
    ("create", "x", "--scope", "everything"): "The scopes are",
    ("create", "x", "--plan", "gold"): "The plans are",
    ("create", "x", "--rank", "king", "--server", "1"): "The ranks are",
    ("create", "x", "--rank", "admin"): "--server",
    ("create", "x", "--days", "0"): "1 to 3650 days",
    ("list", "--for", "nobody"): "Nobody here",
}


def test_what_is_wrong_is_said(pictor: Pictor) -> None:
    for words, said in WRONG.items():
        answer = pictor(*words)
        assert (answer.exit_code, said in answer.output) == (2, True), answer.output


def test_without_a_pepper_there_are_no_keys(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keycommands, "read_settings", lambda: settings)
    answer = CliRunner().invoke(app, ["key", "create", "x"])
    assert answer.exit_code == 3
    assert "PICTOR_API__PEPPER" in answer.output
