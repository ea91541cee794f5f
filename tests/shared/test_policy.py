"""Thresholds: three zones, bounds, age-restricted channels, and files that cannot be used."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import SHARED
from shared.errors import Fault, Refusal
from shared.safety.policy import (
    Band,
    Bounds,
    OperatorPolicy,
    Policy,
    decide,
    decide_scores,
    read_policy,
)
from shared.safety.verdict import POLICED, Assessment, Decision, Sign

SHIPPED = SHARED / "safety" / "policy.toml"
BANDS = {category: Band(0.5, 0.8) for category in POLICED}
OPERATOR = OperatorPolicy(
    Policy("p", BANDS),
    {"gore": Bounds(0.6, 0.9), "sexual": Bounds(0.8, 0.8)},
    wider=Band(0.85, 0.95),
)


def seen(**scores: float) -> Assessment:
    return Assessment(
        tuple(Sign(name, score, f"head:{name}") for name, score in scores.items()), "v", "h"
    )


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (0.0, "allow"),
        (0.49, "allow"),
        (0.5, "review"),
        (0.79, "review"),
        (0.8, "block"),
        (1.0, "block"),
    ],
)
def test_three_zones(score: float, decision: str) -> None:
    verdict = decide(seen(gore=score), OPERATOR.policy)
    assert verdict.decision == decision
    assert verdict.scores == {"gore": score}
    assert verdict.policy == "p|v"


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_blocks(score: float) -> None:
    assert decide(seen(gore=score), OPERATOR.policy).decision is Decision.BLOCK


def test_the_gravest_category_is_named_not_the_highest_score() -> None:
    bands = BANDS | {"hate": Band(0.2, 0.3)}
    verdict = decide(seen(gore=0.7, hate=0.3), Policy("p", bands))
    assert (verdict.decision, verdict.category) == (Decision.BLOCK, "hate")


def test_what_no_policy_reaches() -> None:
    anything = Policy("p", {category: Band(9.0, math.inf) for category in POLICED})
    hard = replace(seen(), hard=Sign("minor", 1.0, "minor_and_sexual"))
    for one in (hard, replace(seen(), failed="ValueError")):
        assert decide(one, anything).decision is Decision.BLOCK
    assert decide(seen(gore=1.0), anything).decision is Decision.ALLOW


@given(st.dictionaries(st.sampled_from(POLICED), st.floats(0, 1), max_size=7))
def test_scores_that_were_written_down_decide_as_they_did(scores: dict[str, float]) -> None:
    verdict = decide(seen(**scores), OPERATOR.policy)
    assert decide_scores(verdict.scores, OPERATOR.policy)[0] is verdict.decision


def test_a_server_moves_only_what_the_operator_lets_it() -> None:
    own = {"gore": Band(0.1, 0.99), "sexual": Band(0.1, 0.99), "hate": Band(0.9, 0.99)}
    policy = OPERATOR.effective(own, number=3)
    assert policy.version == "p+server3"
    assert policy.bands["gore"] == Band(0.1, 0.9)
    assert policy.bands["sexual"] == Band(0.1, 0.8)
    assert policy.bands["hate"] == Band(0.8, 0.8)
    assert OPERATOR.effective() == OPERATOR.policy


def test_age_restricted_channels_are_wider_for_sexual_content_alone() -> None:
    adults = OPERATOR.effective(age_restricted=True)
    assert adults.bands == BANDS | {"sexual": Band(0.85, 0.95)}
    assert adults.version == "p+age"
    assert replace(OPERATOR, wider=None).effective(age_restricted=True) == OPERATOR.policy


@pytest.mark.parametrize(
    ("category", "band"),
    [
        ("gore", Band(0.5, 0.95)),
        ("gore", Band(0.5, 0.5)),
        ("gore", Band(0.9, 0.8)),
        ("gore", Band(0.0, 0.8)),
        ("hate", Band(0.5, 0.7)),
    ],
)
def test_a_proposal_out_of_bounds_is_told_the_bounds(category: str, band: Band) -> None:
    with pytest.raises(Refusal, match=category) as refused:
        OPERATOR.check(category, band)
    assert refused.value.field == category
    OPERATOR.check("gore", Band(0.3, 0.9))


@pytest.mark.parametrize("category", ["minor", "known", "gor"])
def test_there_is_no_threshold_for_minors(category: str) -> None:
    with pytest.raises(Refusal, match="no threshold"):
        OPERATOR.check(category, Band(0.5, 0.8))
    with pytest.raises(Refusal):
        OPERATOR.effective({category: Band(0.5, 0.8)}, number=1)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("gore = { review", "gor = { review", "gore"),
        ("[bounds]", "[bonds]", "bonds"),
        ("[bands]", "[bands]\nminor = { review = 0.1, block = 0.2 }", "minor"),
        ("gore = { review = ", "gore = { review = 3", "review"),
        ("gore = { least = 0.5", "gore = { least = 0.94", "gore"),
        ("[bands]", "[bands", "line"),
        ("[bands]", "[bands]\nnudity = { review = 0.1, block = 0.2 }", "nudity"),
    ],
)
def test_a_broken_file_is_a_fault_at_the_start(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    text = SHIPPED.read_text()
    assert old in text
    path = tmp_path / "policy.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Fault, match="cannot be used") as fault:
        read_policy(path)
    assert fault.value.code == "policy_unreadable"
    assert named in fault.value.sentence


def test_a_file_that_changes_is_another_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(SHIPPED.read_text())
    assert read_policy(path).policy.version == read_policy(SHIPPED).policy.version
    path.write_text(SHIPPED.read_text().replace("inf", "1.0"))
    assert read_policy(path).policy.version != read_policy(SHIPPED).policy.version


def test_the_wider_band_is_the_operator_s_to_open() -> None:
    assert read_policy(SHIPPED).wider is None
