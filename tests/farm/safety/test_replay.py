"""What another policy would have said: scores alone decide, and people's decisions are counted."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from farm.safety.replay import redecide, replay, run_replay
from shared.config import SHARED, Settings
from shared.connections import Database
from shared.replays import Judged
from shared.safety.policy import read_policy

POLICY = SHARED / "safety" / "policy.toml"


def judged(number: int, decision: str, outcome: str | None = None, **scores: float) -> Judged:
    category = max(scores, key=lambda name: scores[name], default="none")
    return Judged(number, decision, category, scores, "old", outcome)


def stricter(tmp_path: Path) -> Path:
    path = tmp_path / "new.toml"
    lines = POLICY.read_text().splitlines()
    swapped = [
        "gore = { review = 0.3, block = 0.5 }" if line.startswith("gore = { review") else line
        for line in lines
    ]
    path.write_text("\n".join(swapped))
    return path


def test_moves_are_counted_by_category_before_and_after(tmp_path: Path) -> None:
    policy = read_policy(stricter(tmp_path)).policy
    told = replay(
        [
            judged(1, "allow"),
            judged(2, "allow", gore=0.55),
            judged(3, "allow", gore=0.35),
            judged(4, "block", "lifted", gore=0.9),
            judged(5, "block", "upheld", gore=0.2),
            judged(6, "allow", hate=0.2),
        ],
        policy,
    )
    assert told.as_dict() == {
        "prompts": 6,
        "changed": 3,
        "moves": [
            {
                "category": "gore",
                "before": "allow",
                "after": "block",
                "prompts": 1,
                "verdicts": [2],
            },
            {
                "category": "gore",
                "before": "allow",
                "after": "review",
                "prompts": 1,
                "verdicts": [3],
            },
            {
                "category": "gore",
                "before": "block",
                "after": "allow",
                "prompts": 1,
                "verdicts": [5],
            },
        ],
        "people": [
            {"outcome": "lifted", "now": "block", "prompts": 1},
            {"outcome": "upheld", "now": "allow", "prompts": 1},
        ],
    }


def test_no_policy_moves_the_hard_rule() -> None:
    policy = read_policy(POLICY).policy
    assert redecide(Judged(1, "block", "minor", {}, "old", None), policy)[0] == "block"


async def test_the_verdicts_of_the_window_are_read_and_no_text(
    settings: Settings, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = """insert into verdicts (subject, decision, category, score, rule, sha256, policy, scores, at)
        values ('prompt', 'allow', 'gore', :score, :rule, 'x', 'old', cast(:scores as jsonb),
            clock_timestamp() - :days * interval '1 day')"""
    told: list[dict[str, Any]] = [
        {"score": 0.6, "rule": "head:gore", "days": 1, "scores": '{"gore": 0.6}'},
        {"score": 0.6, "rule": "head:gore", "days": 8, "scores": '{"gore": 0.6}'},
        {"score": 1.0, "rule": "screen_failed:E", "days": 1, "scores": "{}"},
        {"score": 0.6, "rule": "lifted:x", "days": 1, "scores": '{"gore": 0.6}'},
    ]
    async with database.begin() as session:
        for one in told:
            await session.execute(text(row), one)
    await run_replay(settings, timedelta(days=7), stricter(tmp_path), as_json=False)
    shown = capsys.readouterr().out
    assert "1 prompts; this policy decides 1 of them otherwise" in shown
    assert "gore" in shown
    assert "block" in shown
