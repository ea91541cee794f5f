"""The list of guards fits the code, and the trial tells a guard that is missed from one that is not."""

import ast
from pathlib import Path

import pytest

from tests.mutation.guards import ROOT, Guard, read_guards
from tests.mutation.trial import Outcome, copy_of, try_without

GUARDS = read_guards()
# What the promises rest on, by the first words of its name.
PROMISED = (
    "fence",
    "unique settle",
    "conditional update",
    "heartbeat",
    "solo lane",
    "verdict",
    "put before commit",
    "re-ring",
    "rescuer",
    "leader lock",
    "cancel: own jobs",
    "nonce",
    "submission key",
    "deploy counts no crash",
    "publish: checked",
    "publish: the very pixels",
)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_can_still_be_taken_out_and_names_tests_that_exist(guard: Guard) -> None:
    without = guard.removed_from((ROOT / guard.path).read_text())
    if guard.path.endswith(".py"):
        ast.parse(without)
    assert guard.tests
    for test in guard.tests:
        path, name = test.split("::")
        assert f"def {name}(" in (ROOT / path).read_text(), test


def test_every_promise_has_its_guards_and_each_is_listed_once() -> None:
    names = [guard.name for guard in GUARDS]
    assert len(set(names)) == len(names)
    assert [one for one in PROMISED if not any(name.startswith(one) for name in names)] == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house of one wall and two tests, of which one leans on it."""
    root = tmp_path_factory.mktemp("house")
    (root / "wall.py").write_text("def holds(weight):\n    return weight < 10\n")
    (root / "test_wall.py").write_text(
        "from wall import holds\n\n"
        "def test_a_feather():\n    assert holds(1)\n\n"
        "def test_a_stone():\n    assert not holds(50)\n"
    )
    (root / "__pycache__").mkdir()
    return copy_of(root, root.parent / "copy")


@pytest.mark.parametrize(
    ("new", "test", "outcome", "told"),
    [
        ("weight < 1000", "test_a_stone", Outcome.CAUGHT, "test_wall.py::test_a_stone"),
        ("weight < 1000", "test_a_feather", Outcome.SURVIVED, ""),
        ("weight <", "test_a_stone", Outcome.BROKEN, "SyntaxError"),
        ("weight < 1000", "test_of_nobody", Outcome.BROKEN, "not found"),
    ],
)
def test_a_trial(tree: Path, new: str, test: str, outcome: Outcome, told: str) -> None:
    guard = Guard("wall", "wall.py", "weight < 10", new, (f"test_wall.py::{test}",))
    before = (tree / "wall.py").read_text()
    verdict = try_without(guard, tree)
    assert verdict.outcome is outcome
    assert told in verdict.told
    assert (tree / "wall.py").read_text() == before
    assert not (tree / "__pycache__").exists(), "no byte code of one trial serves the next"


def test_a_text_that_is_not_there_once_is_an_error(tree: Path) -> None:
    for old in ("weight > 10", "weight"):
        with pytest.raises(LookupError, match="not once"):
            try_without(Guard("wall", "wall.py", old, "", ("test_wall.py",)), tree)
