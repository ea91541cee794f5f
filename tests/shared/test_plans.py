"""The shipped plans, and a Fault that names what is wrong with others."""

from pathlib import Path

import pytest

from shared.config import SHARED
from shared.errors import Fault
from shared.plans import Sku, Speed, Trial, read_plans

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
        ("turbo = 10", "turbo = 0", "lanes.turbo"),
        ("step_budget = 30", "step_budget = 0", "step_budget"),
        ("step_budget = 30", "", "step_budget"),
        ("max_waiting = 4", "max_waiting = 0", "max_waiting"),
        ("grant_ms = 900_000", "grant_ms = -1", "grant_ms"),
        ('speeds = ["fast", "relax"]', 'speeds = ["slow"]', "slow"),
        ('speeds = ["fast", "relax"]', 'speeds = ["relax"]', "default_speed"),
        ("[plans.free]", "[[plans]]", "list"),
        ("[price]", "[price", "line 5"),
        ("max_running = 12", "max_runing = 12", "plans.pro.max_running"),
        ("weight = 4", "weight = 4\nwieght = 3", "plans.pro.wieght"),
        ("weight = 4", "weight = true", "plans.pro.weight"),
        ("stealth = true", 'stealth = "yes"', "plans.pro.stealth"),
        ("relax_floor = 0.05", "relax_floor = 0.6", "lanes.relax_floor"),
        ('models = "all"', 'models = "some"', "plans.free.models"),
        ('models = "all"', "models = []", "plans.free.models"),
        ('first = "free"', 'first = "free"\nlink = "http://x"', "link"),
        ('first = "free"', 'first = "free"\nfirts = "pro"', "firts"),
        ("[plans.free]", "[plans.free]\nprice = { fast = 1.0 }", "plans.free.price.turbo"),
        ("[plans.free]", '[trial]\nplan = "gold"\ndays = 7\n[plans.free]', "trial.plan"),
        ("[plans.free]", '[trial]\nplan = "pro"\ndays = 0\n[plans.free]', "trial.days"),
        ("[plans.free]", '[skus.one]\ntitle = "x"\n[plans.free]', "skus.one"),
        ("[plans.free]", '[skus.1]\ntitle = "x"\n[plans.free]', "skus.1.plan"),
        (
            "[plans.free]",
            '[skus.1]\ntitle = "x"\ntop_up_ms = 0\n[plans.free]',
            "skus.1.top_up_ms",
        ),
        (
            "[plans.free]",
            '[skus.1]\ntitle = "x"\nplan = "pro"\nprice = 9.5\n[plans.free]',
            "skus.1.price",
        ),
        (
            "[plans.free]",
            '[skus.1]\ntitle = "x"\nplan = "pro"\nprice = 9\ncurrency = "€"\n[plans.free]',
            "skus.1.currency",
        ),
        ("[plans.free]", "[guilds.7]\nmax_waiting = 0\n[plans.free]", "guilds.7.max_waiting"),
        ("[plans.free]", "[guilds.7]\ngrant_ms = 1\n[plans.free]", "guilds.7.grant_ms"),
        ("[plans.free]", '[guilds.7]\nspeeds = ["relax"]\n[plans.free]', "default_speed"),
        ("[plans.free]", '[roles.Big]\nplan = "gold"\n[plans.free]', "roles.Big.plan"),
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


OVERRIDES = """
[guilds.7]
plan = "paid"
max_waiting = 7
models = ["postcards"]

[roles.Supporter]
max_waiting = 9
price = { turbo = 1.5, fast = 0.5, relax = 0.0 }

[trial]
plan = "paid"
days = 7
grant_ms = 60_000

[skus.11]
title = "Pro, each month"
plan = "pro"
price = 6000

[skus.12]
title = "One hour"
top_up_ms = 3_600_000
price = 400
currency = "EUR"
"""


def test_a_server_and_a_role_have_fields_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(SHIPPED.read_text() + OVERRIDES)
    book = read_plans(file)
    assert book.terms("free") is book.plan("free")
    here = book.terms("free", guild_id="7")
    assert (here.max_waiting, here.models, here.name) == (7, ("postcards",), "free")
    assert here.allows("postcards")
    assert not here.allows("other")
    mine = book.terms("free", guild_id="7", roles=("Stranger", "Supporter"))
    assert (mine.max_waiting, mine.price[Speed.FAST]) == (9, 0.5)
    assert book.given(guild_id="7", roles=("Supporter",)) == ("paid",)
    assert book.given(guild_id="8") == ()
    assert book.weightiest(("paid", "gone")).name == "paid"
    assert book.weightiest(()).name == "free"


def test_what_is_sold_and_tried(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text(SHIPPED.read_text() + OVERRIDES)
    book = read_plans(file)
    assert book.trial == Trial("paid", 7.0, 60_000)
    assert book.skus["11"] == Sku("11", "Pro, each month", "pro", 0, 6000, "USD")
    assert [sku.consumable for sku in book.skus.values()] == [False, True]
    assert read_plans(SHIPPED).trial is None


def test_the_caps_that_midjourney_has() -> None:
    pro = read_plans(SHIPPED).plan("pro")
    assert (pro.max_running, pro.max_running_relax, pro.max_permutations) == (12, 3, 40)
    assert pro.stealth
    assert not read_plans(SHIPPED).plan("paid").stealth
    assert pro.allows("anything")
