"""Percentiles, fair shares and costs, against figures computed by hand."""

import pytest

from farm.simulate.figures import figures, percentile
from farm.simulate.shares import jain, max_min
from shared.plans import Speed
from tests.farm.simulate.paper import BOOK, a_farm, a_model, asks, run


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert [percentile(hundred, part) for part in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 1) == 7
    assert percentile([], 99) == 0


def test_water_filling_gives_what_is_not_needed_to_the_others_by_weight() -> None:
    asked = {"a": 10.0, "b": 100.0, "c": 100.0}
    shares = max_min(100.0, asked, {"a": 1.0, "b": 1.0, "c": 2.0})
    assert shares == pytest.approx({"a": 10, "b": 30, "c": 60})
    assert max_min(1000.0, asked, dict.fromkeys("abc", 1.0)) == asked


def test_jains_index_from_one_for_all_to_all_for_one() -> None:
    assert jain([2.0, 2.0, 2.0]) == pytest.approx(1)
    assert jain([3.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert jain([]) == 1


def test_who_still_waits_counts_with_its_age() -> None:
    past = run(a_farm(slots=1), [asks(1, 0, 100), asks(2, 10, 5)], until=50)
    found = figures(past, BOOK).lanes["fast"]
    assert (found.jobs, found.waiting, found.oldest_waiting) == (2, 1, 40)
    assert (found.p50, found.p99) == (0, 40)


def test_use_and_cost_are_of_the_hours_that_gpus_were_up() -> None:
    farm = a_farm(gpus=2, slots=1, models={"studio": a_model(load_s=10)})
    found = figures(run(farm, [asks(1, 0, 26)], until=3600), BOOK, gpu_hour_price=4.0)
    assert found.gpu_hours == pytest.approx(2)
    assert found.utilisation == pytest.approx(26 / 7200)
    assert found.loading_part == pytest.approx(10 / 7200)
    assert found.images == 4
    assert found.cost_per_image == pytest.approx(2 * 4.0 / 4)


def test_one_account_with_everything_is_unfair_and_equals_are_fair() -> None:
    both = [asks(1, 0, 100), asks(2, 0, 100)]
    assert figures(run(a_farm(slots=2), both, until=50), BOOK).jain == pytest.approx(1)
    alone = figures(run(a_farm(slots=1), both, until=50), BOOK)
    assert alone.jain == pytest.approx(0.5)


def test_lanes_are_shared_by_their_weights_in_the_reference() -> None:
    # Turbo 10 and relax 1 had one GPU in halves: 25 s each, where 45.5 and 4.5 would have been fair.
    both = [asks(1, 0, 100, speed=Speed.TURBO), asks(2, 0, 100, speed=Speed.RELAX)]
    found = figures(run(a_farm(slots=2), both, until=50), BOOK)
    ratios = 25 / (50 * 10 / 11), 25 / (50 / 11)
    assert found.jain == pytest.approx(sum(ratios) ** 2 / (2 * sum(one**2 for one in ratios)))
