"""Training and measuring on a closed world of invented prompts: `grolm` is harm, `spint` another."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from farm.__main__ import app
from farm.safety.training import corpus
from farm.safety.training.calibration import cut, rescaled
from farm.safety.training.evaluation import report
from farm.safety.training.figures import Share
from farm.safety.training.rows import Row, read_rows
from farm.safety.training.tables import as_json, tables
from farm.safety.training.taxonomy import read_taxonomy
from shared.errors import Refusal
from shared.safety.heads import BLOCK, REVIEW, Heads
from shared.safety.verdict import Decision, Verdict

TAXONOMY = read_taxonomy()
COLUMNS = ["id", "prompt", "label", "category", "source"]
THINGS = ["fox", "owl", "lamp", "river", "tower", "bread", "cloud", "piano", "garden", "boat"]
SEED = """
each = 3
styles = ["watercolor"]
openings = ["draw"]
[words]
thing = ["fox", "owl", "lamp"]
[[unsafe]]
category = "gore"
patterns = ["grolm {thing} grolm"]
[[benign]]
kind = "daily"
patterns = ["a {thing} at noon"]
"""


def _lines() -> list[list[str]]:
    lines = []
    for number, thing in enumerate(THINGS):
        lines += [
            [f"b{number}{turn}", f"a quiet {thing} {turn} at dusk", "benign", "", "X"]
            for turn in range(4)
        ]
        lines.append([f"g{number}", f"grolm the {thing} grolm", "unsafe", "violence", "Y"])
        lines.append([f"s{number}", f"spint on a {thing} spint", "unsafe", "sexual,violence", "Y"])
    return lines


def _write(path: Path, lines: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _train(tmp_path_factory.mktemp("heads"), seed=1)


def _train(folder: Path, seed: int) -> Path:
    pytest.importorskip("sklearn")
    data = _write(folder / "data.csv", _lines())
    (folder / "seed.toml").write_text(SEED)
    asked = ["safety", "train", "--data", str(data), "-o", str(folder), "--seed", str(seed)]
    done = CliRunner().invoke(app, [*asked, "--seed-corpus", str(folder / "seed.toml")])
    assert done.exit_code == 0, done.output
    assert "grolm" not in done.output
    return folder


def test_trained_heads_know_harm_from_what_is_harmless(trained: Path) -> None:
    heads = Heads.load(trained)
    gore, sexual, calm = heads.scores(
        ["grolm the boat grolm", "spint on a boat spint", "a quiet boat 2 at dusk"]
    )
    assert gore["gore"] >= BLOCK
    assert sexual["sexual"] >= BLOCK
    assert max(calm.values()) < REVIEW


def test_a_category_without_prompts_has_no_head(trained: Path) -> None:
    assert Heads.load(trained).categories == ("any", "sexual", "gore")


def test_the_manifest_tells_what_the_heads_were_made_from(trained: Path) -> None:
    told = json.loads((trained / "heads.json").read_text())
    assert (told["rows"], told["unsafe_rows"], told["seed"]) == (60, 20, 1)
    assert len(told["data_sha256"]) == 64
    assert set(told["blocked_out_of_fold"]) == {"X: benign", "Y: unsafe", "gore", "sexual"}
    assert "scikit-learn" in told["versions"]
    assert "grolm" not in json.dumps(told)


def test_the_same_data_and_seed_make_the_same_heads(trained: Path, tmp_path: Path) -> None:
    again = _train(tmp_path, seed=1)
    assert Heads.load(again).version == Heads.load(trained).version


def test_too_little_data_is_refused_with_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    data = _write(tmp_path / "few.csv", _lines()[:6])
    (tmp_path / "seed.toml").write_text(SEED.replace("each = 3", "each = 1"))
    asked = ["safety", "train", "--data", str(data), "-o", str(tmp_path)]
    done = CliRunner().invoke(app, [*asked, "--seed-corpus", str(tmp_path / "seed.toml")])
    assert done.exit_code == 2
    assert "at least 8" in done.output


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["1", "", "benign", "", "X"], "Line 2: prompt is empty"),
        (["", "fox", "benign", "", "X"], "Line 2: id is empty"),
        (["1", "fox", "bad", "", "X"], "Line 2: label is 'bad'"),
        (["1", "fox", "unsafe", "grolm", "X"], "Line 2: category is 'grolm'"),
        (["1", "fox", "unsafe", "", "X"], "Line 2: category is ''"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_column(
    tmp_path: Path, line: list[str], told: str
) -> None:
    with pytest.raises(Refusal, match=told):
        read_rows(_write(tmp_path / "data.csv", [line]), TAXONOMY)


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    line = ["1", "fox", "benign", "", "X"]
    with pytest.raises(Refusal, match="Line 3: id 1 stands twice"):
        read_rows(_write(tmp_path / "data.csv", [line, line]), TAXONOMY)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    data = _write(tmp_path / "data.csv", [["1", "fox", "benign"]], COLUMNS[:3])
    with pytest.raises(Refusal, match="Column category is missing"):
        read_rows(data, TAXONOMY)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        read_rows(tmp_path / "none.csv", TAXONOMY)


def test_categories_of_others_are_mapped_and_what_no_picture_harms_is_left_out(
    tmp_path: Path,
) -> None:
    lines = [
        ["1", "fox", "unsafe", "violent, bias", "X"],
        ["2", "owl", "unsafe", "contrast_privacy", "X"],
        ["3", "elk", "unsafe", "other", ""],
        ["4", "emu", "benign", "violence", "X"],
    ]
    rows = read_rows(_write(tmp_path / "data.csv", lines), TAXONOMY)
    assert [(row.id, sorted(row.categories)) for row in rows] == [
        ("1", ["gore", "hate"]),
        ("3", []),
        ("4", []),
    ]
    assert rows[1].source == "unknown"


def test_the_shipped_seed_corpus_draws_the_same_twice_and_fills_every_slot() -> None:
    drawn = corpus.draw(corpus.FILE, 1)
    assert drawn == corpus.draw(corpus.FILE, 1)
    assert drawn != corpus.draw(corpus.FILE, 2)
    assert not any("{" in row.prompt for row in drawn)
    assert {category for row in drawn for category in row.categories} == {
        *("sexual", "gore", "hate", "self_harm", "illegal"),
    }
    assert len({row.id for row in drawn}) == len(drawn)


def test_a_pattern_of_unknown_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seed.toml").write_text(SEED.replace("a {thing}", "a {nothing}"))
    with pytest.raises(Refusal, match="nothing"):
        corpus.draw(tmp_path / "seed.toml", 1)


def test_wilsons_interval_as_the_book_has_it() -> None:
    """Newcombe 1998, table I: 81 of 263 and 0 of 20."""
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Share(0, 20).interval == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)


def _row(number: int, *, unsafe: bool, source: str = "X", category: str = "") -> Row:
    return Row(str(number), f"p{number}", unsafe, frozenset([category] if category else []), source)


ORDINARY = [_row(n, unsafe=False, source="DSG-1k (half)") for n in range(1000)]
LOGITS = np.arange(0, 1, 0.001).astype(np.float32)
NONE_LISTED = np.zeros(1000, bool)


def test_the_threshold_stands_where_the_budget_of_false_positives_ends() -> None:
    """Of 1,000 ordinary prompts with as many logits nine lie above the block threshold."""
    found = cut(ORDINARY, LOGITS, NONE_LISTED, TAXONOMY)
    assert found.costs["ordinary"] == Share(9, 1000)
    assert found.review < found.block


def test_what_the_word_lists_block_is_in_the_budget_too() -> None:
    listed = NONE_LISTED.copy()
    listed[:3] = True
    found = cut(ORDINARY, LOGITS, listed, TAXONOMY)
    assert found.costs["ordinary"] == Share(9, 1000)
    assert found.block > cut(ORDINARY, LOGITS, NONE_LISTED, TAXONOMY).block


def test_lists_that_have_spent_the_budget_leave_the_heads_half_of_it() -> None:
    listed = NONE_LISTED.copy()
    listed[:50] = True
    assert cut(ORDINARY, LOGITS, listed, TAXONOMY).costs["ordinary"] == Share(54, 1000)


def test_after_rescaling_the_policys_bands_stand_at_the_thresholds() -> None:
    found = cut(ORDINARY, LOGITS, NONE_LISTED, TAXONOMY)
    mix, bias = rescaled(np.ones((1, 1), np.float32), np.zeros(1, np.float32), found)

    def scored(logit: float) -> float:
        return float(1 / (1 + np.exp(-(logit * mix[0, 0] + bias[0]))))

    assert scored(found.block) == pytest.approx(BLOCK)
    assert scored(found.review) == pytest.approx(REVIEW)


class Told:
    """A screen whose verdict stands in the id: b blocks, r reviews, the rest pass."""

    def screen(self, texts: Sequence[str]) -> Verdict:
        zone = {"b": Decision.BLOCK, "r": Decision.REVIEW}.get(texts[0][0], Decision.ALLOW)
        category = "gore" if zone is not Decision.ALLOW else "none"
        return Verdict(zone, category, 0.9, "head:gore", "policy-1", "")


def _told() -> list[Row]:
    gore, hate = frozenset(["gore"]), frozenset(["hate"])
    return [
        *(Row(f"u{n}", f"b secret {n}", True, gore, "Y") for n in range(3)),
        Row("u3", "r secret", True, gore, "Y"),
        Row("u4", "a secret", True, hate | gore, "Y"),
        Row("u5", "a secret 2", True, frozenset(), "Z"),
        *(Row(f"h{n}", f"a secret {n}", False, frozenset(), "X") for n in range(8)),
        Row("h8", "b secret", False, frozenset(), "X"),
        Row("h9", "r secret", False, frozenset(), "Z"),
    ]


def test_figures_agree_with_a_count_by_hand() -> None:
    found = report(_told(), Told())
    by_category = {group.name: group for group in found.intercepted["category"]}
    assert by_category["gore"].blocked == Share(3, 5)
    assert by_category["gore"].noticed == Share(4, 5)
    assert by_category["hate"].blocked == Share(0, 1)
    assert by_category["other"].blocked == Share(0, 1)
    assert by_category["all"].blocked == Share(3, 6)
    assert found.macro == pytest.approx(0.6 / 3)
    by_source = {group.name: group for group in found.false_positives["source"]}
    assert by_source["X"].blocked == Share(1, 9)
    assert by_source["all"].noticed == Share(2, 10)
    (fired,) = found.false_positives["fired"]
    assert (fired.name, fired.blocked, fired.noticed) == ("gore", Share(1, 10), Share(2, 10))
    assert found.missed_ids == ("u3", "u4", "u5")
    assert found.false_ids == ("h8",)


def test_no_table_and_no_json_tells_a_text() -> None:
    found = report(_told(), Told())
    page = io.StringIO()
    console = Console(width=160, file=page)
    console.print(tables(found, ids=True))
    shown = page.getvalue()
    assert "h8" in shown
    for told in (shown, as_json(found, ids=True), as_json(found, ids=False)):
        assert "secret" not in told
    assert "missed_ids" not in as_json(found, ids=False)
    assert json.loads(as_json(found, ids=True))["false_ids"] == ["h8"]


def test_evaluate_runs_the_screen_in_force(tmp_path: Path) -> None:
    lines = [
        ["1", "a quiet fox at dusk", "benign", "", "X"],
        ["2", "hardcore porn", "unsafe", "sexual", "Y"],
    ]
    data = _write(tmp_path / "data.csv", lines)
    done = CliRunner().invoke(app, ["safety", "evaluate", "--data", str(data), "--json", "--ids"])
    told = json.loads(done.stdout)
    assert told["intercepted"]["category"]["sexual"]["blocked"]["hits"] == 1
    assert told["false_positives"]["source"]["all"]["blocked"]["hits"] == 0
    assert (told["missed_ids"], told["failed"]) == ([], 0)
    assert "fox" not in done.output


def test_what_is_only_measured_may_be_called_anything(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("id,prompt,label,category\n1,a cat,benign,homonym\n2,a boat,unsafe,implicit\n")
    rows = read_rows(path, read_taxonomy(), as_told=True)
    assert [(row.named, row.unsafe, row.source) for row in rows] == [
        ("homonym", False, "unknown"),
        ("implicit", True, "unknown"),
    ]
    with pytest.raises(Refusal, match="implicit"):
        read_rows(path, read_taxonomy())
