"""Arrivals that a seed decides: rates, plans, zeal and windows."""

from collections import Counter

import pytest

from farm.simulate.arrivals import Stream, arrivals
from farm.simulate.scenarios import MIX, MODELS, SPEEDS, STEPS, usual
from shared.plans import Speed


def a_stream(**changes: object) -> Stream:
    fields: dict[str, object] = {
        "plan": "paid",
        "accounts": 50,
        "per_minute": 120.0,
        "speeds": SPEEDS["paid"],
        "checkpoints": MIX,
        "steps": STEPS,
    }
    return Stream(**(fields | changes))  # type: ignore[arg-type]


def test_a_seed_decides_everything() -> None:
    first, again = (arrivals(usual(0.5), models=MODELS, until=600, seed=5) for _ in range(2))
    assert first == again != arrivals(usual(0.5), models=MODELS, until=600, seed=6)


def test_rates_shares_and_order_are_those_asked_for() -> None:
    asked = arrivals([a_stream()], models=MODELS, until=6000, seed=1)
    assert len(asked) == pytest.approx(12_000, rel=0.05)
    assert [one.at for one in asked] == sorted(one.at for one in asked)
    turbo = sum(one.speed is Speed.TURBO for one in asked)
    assert turbo / len(asked) == pytest.approx(0.15, abs=0.02)
    assert all(0.7 <= one.work_ms / one.cost_ms <= 1.0 for one in asked)


def test_few_accounts_ask_often_and_many_rarely() -> None:
    counts = Counter(
        one.account_id for one in arrivals([a_stream()], models=MODELS, until=6000, seed=1)
    )
    ordered = [count for _, count in counts.most_common()]
    assert len(ordered) == 50
    assert ordered[0] / ordered[1] == pytest.approx(2**0.8, rel=0.2)
    assert ordered[0] > 10 * ordered[-1]


def test_a_stream_keeps_its_window_and_another_one_does_not_move_it() -> None:
    alone = arrivals([a_stream(start_s=60, end_s=120)], models=MODELS, until=600, seed=1)
    beside = arrivals(
        [a_stream(start_s=60, end_s=120), a_stream(start_s=60, people="others")],
        models=MODELS,
        until=600,
        seed=1,
    )
    assert all(60 <= one.at < 120 for one in alone)
    assert set(alone) < set(beside)
    assert len({one.job_id for one in beside}) == len(beside), "no stream repeats another one"
