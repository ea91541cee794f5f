"""The shipped plans, and a Fault that names what is wrong with others."""

from pathlib import Path

import pytest

from shared.config import SHARED
from shared.errors import Fault
from shared.plans import Speed, read_plans

SHIPPED = SHARED / "plans.toml"


def altered(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text()
    assert old in text
    target = tmp_path / "plans.toml"
    target.write_text(text.replace(old, new))
    return target


def test_the_shipped_plans_have_the_budgets_that_were_promised() -> None:
    book = read_plans(SHIPPED)
    budgets = {name: plan.step_budget for name, plan in book.plans.items()}
    assert budgets == {"free": 30, "paid": 50, "pro": 80}
    assert {name: plan.weight for name, plan in book.plans.items()} == {
        "free": 1,
        "paid": 2,
        "pro": 4,
    }
    assert book.lane_weights == {Speed.TURBO: 10, Speed.FAST: 5, Speed.RELAX: 1}
    assert book.price == {Speed.TURBO: 2.0, Speed.FAST: 1.0, Speed.RELAX: 0.0}
    assert Speed.TURBO not in book.plan("free").speeds
    assert all(plan.max_prompt == 2000 for plan in book.plans.values())


def test_a_plan_that_is_not_in_the_book_is_the_first() -> None:
    book = read_plans(SHIPPED)
    assert book.plan("gone") is book.plan(book.first) is book.plans["free"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('first = "free"', 'first = "none"', "none"),
        ("turbo = 2.0", "", "turbo"),
        ("turbo = 2.0", "turbo = -1", "price"),
        ("turbo = 2.0", "turbo = nan", "price"),
        ("turbo = 10", "turbo = 0", "weight"),
        ("step_budget = 30", "step_budget = 0", "step_budget"),
        ("step_budget = 30", "", "step_budget"),
        ("max_waiting = 4", "max_waiting = 0", "max_waiting"),
        ("grant_ms = 900_000", "grant_ms = -1", "grant_ms"),
        ('speeds = ["fast", "relax"]', 'speeds = ["slow"]', "slow"),
        ('speeds = ["fast", "relax"]', 'speeds = ["relax"]', "default_speed"),
        ("[plans.free]", "[[plans]]", "list"),
        ("[price]", "[price", "line 4"),
    ],
)
def test_a_broken_file_is_a_fault_that_says_why(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    with pytest.raises(Fault, match="cannot be used") as fault:
        read_plans(altered(tmp_path, old, new))
    assert fault.value.code == "plans_unreadable"
    assert named in fault.value.sentence
    assert not fault.value.retryable


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="plans"):
        read_plans(tmp_path / "none.toml")
