"""The bias report counts by group, says how sure it is, and keeps no picture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farm.pictures import image_of
from farm.safety.bias import Outcome, as_dict, judge, read_samples, report_on, run_bias
from farm.safety.declarations import read_declarations
from farm.safety.images import ImageFilter, open_filter
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.errors import Fault
from shared.safety.verdict import CATEGORIES
from tests.farm.safety import tiny

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
RED, BLUE = (220, 10, 10), (10, 10, 220)


@pytest.fixture
def detectors(tmp_path: Path) -> Path:
    limits = {name: {"block": 0.9, "strict": 0.5} for name in CATEGORIES}
    labels = {"plain": "none", "red": list(CATEGORIES)}
    manifest = tiny.redness(tmp_path / "red", labels=labels, thresholds=limits)
    path = tmp_path / "detectors.toml"
    path.write_text(f'[detectors.red]\nkind = "onnx"\nmanifest = "{manifest}"\n')
    return path


@pytest.fixture
def image_filter(detectors: Path) -> ImageFilter:
    declared = read_declarations(detectors)
    return open_filter(replace(POSTCARDS, detectors=("red",)), declared=declared)


def shown(folder: Path, group: str, colours: list[tuple[int, int, int]]) -> None:
    (folder / group).mkdir(parents=True)
    for number, colour in enumerate(colours):
        image_of(tiny.coloured(*colour)).save(folder / group / f"{number}.png")


def test_a_group_that_is_blocked_more_often_is_told(
    image_filter: ImageFilter, tmp_path: Path
) -> None:
    folder = tmp_path / "samples"
    shown(folder, "dawn", [RED] * 12 + [BLUE] * 4)
    shown(folder, "night", [BLUE] * 16)
    before = sorted(folder.rglob("*"))
    outcomes = judge(image_filter, read_samples(folder, None), side=64, strict=False)
    report = report_on(outcomes, image_filter.policy)
    assert {name: (s.hits, s.total) for name, s in report.blocked.items()} == {
        "dawn": (12, 16),
        "night": (0, 16),
    }
    (difference,) = report.differences
    assert (difference.first, difference.second, difference.value) == ("dawn", "night", 0.75)
    assert difference.seen
    assert 0.4 < difference.low < 0.75 < difference.high < 0.92
    assert sorted(folder.rglob("*")) == before


def test_a_difference_that_may_be_chance_is_called_that() -> None:
    def outcomes(group: str, blocked: int, of: int) -> list[Outcome]:
        return [Outcome(group, False, number < blocked, False) for number in range(of)]

    report = report_on([*outcomes("a", 3, 20), *outcomes("b", 1, 20)], "p")
    assert not report.differences[0].seen
    # Newcombe (1998), table II, method 10, example (a): 56/70 and 48/80.
    known = report_on([*outcomes("a", 56, 70), *outcomes("b", 48, 80)], "p").differences[0]
    assert (known.low, known.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_what_the_filter_could_not_answer_counts_nowhere() -> None:
    outcomes = [Outcome("a", False, True, True), Outcome("a", False, False, False)]
    report = report_on(outcomes, "p")
    assert (report.failed, report.blocked["a"].total) == (1, 1)


def test_a_table_names_groups_and_what_is_harmful(
    image_filter: ImageFilter, tmp_path: Path
) -> None:
    shown(tmp_path, "all", [RED, BLUE, BLUE])
    table = tmp_path / "samples.csv"
    table.write_text("file,group,label\nall/0.png,x,gore\nall/1.png,x,gore\nall/2.png,y,safe\n")
    outcomes = judge(image_filter, read_samples(tmp_path, table), side=64, strict=False)
    told = as_dict(report_on(outcomes, "p"))
    assert told["missed"] == {
        "x": {"hits": 1, "total": 2, "interval": pytest.approx([0.095, 0.905], abs=1e-3)}
    }
    assert list(told["blocked"]) == ["y"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file,group\nnone.png,x\n", r"none\.png"),
        ("picture,who\n", "no pictures"),
        ("file\na\n", "needs"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, named: str) -> None:
    table = tmp_path / "samples.csv"
    table.write_text(text)
    with pytest.raises(Fault, match=named):
        read_samples(tmp_path, table)


def test_the_command_prints_json_and_no_file_name(
    settings: Settings, detectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = settings.catalog_file.read_text()
    catalog.write_text(shipped.replace('detectors = ["world"]', 'detectors = ["red"]'))
    worker = settings.worker.model_copy(update={"detectors": detectors})
    own = settings.model_copy(update={"catalog_file": catalog, "worker": worker})
    shown(tmp_path / "samples", "a", [RED])
    shown(tmp_path / "samples", "b", [BLUE])
    for as_json in (False, True):
        run_bias(own, tmp_path / "samples", None, checkpoint=None, strict=False, as_json=as_json)
        said = capsys.readouterr().out
        assert ".png" not in said
    assert json.loads(said)["blocked"]["a"]["hits"] == 1
