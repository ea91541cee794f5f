"""What the three orders do to people, on the shipped scenarios, cut to what a test can wait for."""

from dataclasses import replace
from functools import cache

from farm.simulate.figures import Figures
from farm.simulate.play import Played, play
from farm.simulate.scenarios import scenario
from shared.plans import Speed
from tests.farm.simulate.paper import BOOK

CROWDED_S = 120.0  # from here on everybody waits in the overload


@cache
def played(name: str, minutes: float) -> Played:
    return play(replace(scenario(name), minutes=minutes), BOOK, seed=1)


def found(name: str, minutes: float) -> dict[str, Figures]:
    return {one.policy: one for one in played(name, minutes).figures}


def rush() -> dict[str, Figures]:
    return found("free-tier-rush", 18)


def overload() -> dict[str, Figures]:
    return found("overload", 6)


def test_the_same_people_ask_for_the_same_under_each_order() -> None:
    asked = [
        [(life.arrival.job_id, life.arrival.at, life.arrival.work_ms) for life in past.lives]
        for past in played("free-tier-rush", 18).pasts
    ]
    assert asked[0] == asked[1] == asked[2]


def test_in_a_rush_light_users_wait_less_than_in_one_line_for_all() -> None:
    fair, fifo = rush()["fair"], rush()["fifo"]
    assert fair.accounts["light accounts"].p50 < 0.5 * fifo.accounts["light accounts"].p50
    assert fair.lanes["turbo"].p95 < 10 < 100 < fifo.lanes["turbo"].p95
    assert fair.lanes["fast"].p50 < fifo.lanes["fast"].p50


def test_in_a_rush_turbo_is_nearly_as_quick_as_under_strict_priority() -> None:
    fair, strict = rush()["fair"].lanes["turbo"], rush()["strict"].lanes["turbo"]
    assert fair.p99 <= strict.p99 + 5


def test_relax_keeps_a_share_where_strict_priority_starves_it() -> None:
    begun = {
        past.policy: [
            life.drawn_at
            for life in past.lives
            if life.arrival.speed is Speed.RELAX and (life.drawn_at or 0) > CROWDED_S
        ]
        for past in played("overload", 6).pasts
    }
    assert len(begun["fair"]) >= 10
    assert len(begun["strict"]) <= len(begun["fair"]) / 4
    assert overload()["fair"].served["relax"] >= 0.05


def test_in_an_overload_shares_are_fairer_than_under_both_references() -> None:
    fair, fifo, strict = (overload()[name] for name in ("fair", "fifo", "strict"))
    assert fair.jain > max(fifo.jain, strict.jain)
    assert fair.utilisation > fifo.utilisation


def test_forecasts_are_counted_for_the_fair_queue_alone() -> None:
    told = rush()
    assert told["fair"].told > 200
    assert told["fair"].told_true is not None
    assert 0 < told["fair"].told_true <= 1
    assert told["fifo"].told_true is None
