"""What the desk goes by: which checkpoint is meant, and who may use which adapter."""

from dataclasses import replace
from typing import Any, cast

import pytest

from shared.asking.rulebook import Rulebook
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.plans import read_plans
from shared.prompt import parse

CATALOG = read_catalog(SHARED / "catalog.toml")
BOOK = read_plans(SHARED / "plans.toml")


def kept_for(plan: str) -> Rulebook:
    dear = {"neon": replace(CATALOG.adapters["neon"], plan=plan)}
    shelf = replace(CATALOG, adapters=CATALOG.adapters | dear)
    return Rulebook(BOOK, shelf, cast("Any", None))


@pytest.mark.parametrize(
    ("least", "plan", "allowed"),
    [
        ("", "free", True),
        ("paid", "paid", True),
        ("paid", "pro", True),
        ("paid", "free", False),
        ("pro", "paid", False),
        ("platinum", "pro", False),
    ],
)
def test_an_adapter_is_for_its_plan_and_those_above(least: str, plan: str, allowed: bool) -> None:
    rulebook = kept_for(least)
    rulebook.check_adapters(["sepia"], BOOK.plan(plan))
    if allowed:
        rulebook.check_adapters(["sepia", "neon"], BOOK.plan(plan))
        return
    with pytest.raises(Refusal) as refused:
        rulebook.check_adapters(["sepia", "neon"], BOOK.plan(plan))
    assert refused.value.code == "adapter_not_in_plan"
    assert "“neon” is for the" in refused.value.sentence


def test_an_adapter_that_was_taken_out_is_refused_by_name() -> None:
    with pytest.raises(Refusal, match="“gone” is no longer"):
        kept_for("").check_adapters(["gone"], BOOK.plan("pro"))


def test_a_prompt_may_name_the_checkpoint_by_name_or_version() -> None:
    rulebook = kept_for("")
    for typed in ("--model postcards", "--v 1", "--version newest"):
        assert rulebook.named(parse(f"a cat {typed}")) == CATALOG.get("postcards")
    assert rulebook.named(parse("a cat")) is None
