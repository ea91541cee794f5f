"""`pictor simulate` as it is typed, in a process of its own."""

import json
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.farm.test_main import pictor


def test_help_names_the_scenarios_and_the_commands() -> None:
    answer = pictor("simulate", "--help")
    assert answer.returncode == 0
    for word in ("free-tier-rush", "model-flip", "capacity", "record"):
        assert word in answer.stdout


def test_a_scenario_is_played_to_json_and_plots(tmp_path: Path) -> None:
    options = ("--minutes", "3", "--seed", "7", "--json", "--gpu-hour-price", "2")
    answer = pictor("simulate", "steady", *options, "--plots", str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert (told["scenario"], told["seed"], told["minutes"]) == ("steady", 7, 3)
    assert list(told["policies"]) == ["fair", "fifo", "strict"]
    for found in told["policies"].values():
        assert found["submitted"] == told["arrivals"] > 100
        assert found["cost_per_image"] > 0
        assert set(found["lanes"]) == {"turbo", "fast", "relax"}
    for name in ("waits", "queue", "spread"):
        png = (tmp_path / f"steady-{name}.png").read_bytes()
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert min(struct.unpack(">II", png[16:24])) > 300
        svg = ET.parse(tmp_path / f"steady-{name}.svg").getroot()
        assert svg.tag.endswith("svg")


def test_a_scenario_is_played_to_tables() -> None:
    answer = pictor("simulate", "steady", "--minutes", "2", "--gpus", "12", COLUMNS="120")
    assert answer.returncode == 0, answer.stderr
    for word in ("12 GPUs", "p50", "p99", "Jain's index", "strict", "GPU-hours", "light accounts"):
        assert word in answer.stdout


def test_capacity_tells_the_number_the_margin_and_what_binds() -> None:
    asked = ("--images-per-minute", "400", "--slo", "turbo=2", "--slo", "fast=30")
    quick = ("--seeds", "2", "--minutes", "8", "--json")
    answer = pictor("simulate", "capacity", *asked, *quick)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["gpus"] >= 1
    assert told["found"]["turbo"] <= 2
    assert told["seeds"] == [1, 2]
    assert told["binds"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stedy",), "Did you mean “steady”?"),
        (("steady", "--gpus", "0"), "at least 1"),
        (("steady", "--vram", "8"), "more memory or fewer slots"),
        (("steady", "--recorded", "none.csv"), "none.csv cannot be read"),
        (("capacity", "--images-per-minute", "9", "--slo", "warp=2"), "LANE=SECONDS"),
        (("capacity", "--images-per-minute", "9", "--slo", "fast=0"), "more than 0 seconds"),
        (
            ("capacity", "--images-per-minute", "9", "--slo", "fast=9", "--checkpoint", "postcrds"),
            "postcards",
        ),
        (("record", "--since", "soon"), "7d, 36h or 90m"),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_sentence(
    arguments: tuple[str, ...], words: str
) -> None:
    answer = pictor("simulate", *arguments)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_plots_without_the_extra_name_it(tmp_path: Path) -> None:
    blocked = tmp_path / "matplotlib"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError")
    options = ("--minutes", "1", "--plots", str(tmp_path / "plots"))
    answer = pictor("simulate", "steady", *options, PYTHONPATH=str(tmp_path))
    assert answer.returncode == 2
    assert "pip install 'pictor[simulate]'" in answer.stderr
