"""`pictor safety explain` shows what the screen really does, and the families of garbage are garbage."""

import json
from random import Random

import pytest

from farm.safety.explain import explain, run_explain
from farm.safety.training.soups import FAMILIES, HELD_OUT, Family, Pantry
from shared.config import SHARED, Settings
from shared.safety.screen import open_screen
from shared.safety.verdict import Decision

SCREEN = open_screen(SHARED / "safety" / "blocklist.toml", SHARED / "safety" / "policy.toml")
PANTRY = Pantry(
    pieces=["qu", "cat</w>", "zor", "blan", "ing</w>", "moon</w>", "xt"],
    words=["house", "river", "stone", "quick"],
    prompts=["a red boat on the quiet sea", "two birds over a stone house"],
)


def test_an_explanation_agrees_with_the_verdict() -> None:
    explanation = explain(SCREEN, "a n4k3d woman")
    assert explanation.verdict.decision is SCREEN.screen(["a n4k3d woman"]).decision
    assert ("leet", "a naked woman") in explanation.readings
    zones = {sign.rule: zone for sign, zone in explanation.signs}
    assert zones["lexicon:sexual:naked"] == Decision.BLOCK
    assert explanation.milliseconds > 0


def test_json_has_each_sign_with_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    run_explain(Settings(), "a red boat", "", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["readings"][0] == {"undone": "as written", "words": "a red boat"}
    assert {"category", "score", "zone", "rule", "words"} <= set(told["signs"][0])


@pytest.mark.parametrize("family", [*dict.fromkeys(FAMILIES), *HELD_OUT])
def test_a_family_says_where_its_garbage_is(family: Family) -> None:
    soup = family(PANTRY, Random(3))
    start, end = soup.span
    assert 0 <= start < end <= len(soup.text)
    assert soup == family(PANTRY, Random(3)), "the same dice, the same attack"
