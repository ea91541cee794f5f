"""The image filter says no whenever it cannot say yes. The judge here is a double; see test_world.py."""

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from farm.engine.messages import Picture
from farm.safety import images
from farm.safety.declarations import Declarations, read_declarations
from farm.safety.detectors.contract import DAMAGED, POLICY, Sight, WrongAnswer
from farm.safety.detectors.pixels import PixelsDetector
from farm.safety.detectors.world import WorldDetector
from farm.safety.images import ImageFilter, open_filter
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.errors import Fault
from shared.safety.verdict import CATEGORIES, Decision
from tests.farm.safety import tiny

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")


def picture(rgb: bytes | None = None, *, width: int = 64, height: int = 64) -> Picture:
    rgb = Random(1).randbytes(width * height * 3) if rgb is None else rgb
    return Picture(0, width, height, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=1)


class Scripted:
    """A detector that covers the policy and does what it is told."""

    name = "scripted"
    version = "1"
    covers = POLICY

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]:
        if callable(self.answer):
            return self.answer(pictures)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class ScriptedJudge:
    def __init__(self, score: float) -> None:
        self.score = score
        self.shapes: list[tuple[int, ...]] = []

    def in_world_score(self, pixels: Any) -> list[float]:
        self.shapes.append(pixels.shape)
        return [self.score] * len(pixels)


def filter_with(answer: Any, *, seconds: float = 5.0) -> ImageFilter:
    return ImageFilter([PixelsDetector(), Scripted(answer)], seconds=seconds)


def test_a_good_picture_is_allowed_and_bound_to_its_pixels() -> None:
    good = picture()
    image_filter = filter_with([Sight(score=0.1)])
    (finding,) = image_filter.inspect([good])
    assert (finding.decision, finding.rule) == ("allow", "")
    assert finding.sha256 == good.sha256
    assert finding.policy == image_filter.policy


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (RuntimeError("boom"), "exception"),
        (MemoryError(), "exception"),
        (SystemExit(1), "exception"),
        (WrongAnswer("weights"), "weights"),
        ([], "shape"),
        (None, "shape"),
        ([Sight(), Sight()], "shape"),
        (["allow"], "shape"),
        ([Sight(score=math.nan)], "score"),
        ([Sight(score=math.inf)], "score"),
        ([Sight(score=1.5)], "score"),
        ([Sight(score="0.1")], "score"),  # type: ignore[arg-type]
        ([Sight(category="puppies")], "label"),
        ([Sight(decision="maybe")], "shape"),  # type: ignore[arg-type]
    ],
)
def test_whatever_goes_wrong_blocks(answer: Any, what: str) -> None:
    (finding,) = filter_with(answer).inspect([picture()])
    assert (finding.decision, finding.rule) == ("block", f"filter_failed:scripted:{what}")


def test_a_detector_that_hangs_blocks_and_does_not_hang_the_next_picture() -> None:
    release = threading.Event()
    calls: list[int] = []

    def hang_once(pictures: Sequence[Picture]) -> list[Sight]:
        calls.append(len(pictures))
        if len(calls) == 1:
            release.wait(30)
        return [Sight()] * len(pictures)

    image_filter = filter_with(hang_once, seconds=0.05)
    (late,) = image_filter.inspect([picture()])
    (next_one,) = image_filter.inspect([picture()])
    release.set()
    assert (late.decision, late.rule) == ("block", "filter_failed:scripted:timeout")
    assert next_one.decision == "allow"


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (picture(b"\x80" * (64 * 64 * 3)), "filter_failed:blank"),
        (picture(b""), "filter_failed:shape"),
        (picture(bytes(range(256)) * 48, width=65), "filter_failed:shape"),
    ],
)
def test_damaged_pixels_are_blocked(broken: Picture, rule: str) -> None:
    (finding,) = filter_with([Sight()]).inspect([broken])
    assert (finding.decision, finding.category, finding.rule) == ("block", DAMAGED, rule)


def test_a_picture_that_lies_about_its_hash_is_blocked_under_its_true_hash() -> None:
    true = picture()
    other = Picture(0, 64, 64, true.rgb, sha256="0" * 64, seed=1)
    (finding,) = filter_with([Sight()]).inspect([other])
    assert (finding.decision, finding.rule) == ("block", "filter_failed:hash")
    assert finding.sha256 == true.sha256


def test_a_damaged_picture_does_not_take_its_neighbours_along() -> None:
    blank = picture(bytes(64 * 64 * 3))
    findings = filter_with([Sight(), Sight()]).inspect([picture(), blank, picture()])
    assert [finding.decision for finding in findings] == ["allow", "block", "allow"]


def test_the_worst_answer_wins() -> None:
    review = Scripted([Sight(Decision.REVIEW, "gore", 0.5, "unsure")])
    block = Scripted([Sight(Decision.BLOCK, "gore", 0.4, "gore")])
    allow = Scripted([Sight(score=0.9)])
    (finding,) = ImageFilter([PixelsDetector(), review, block, allow]).inspect([picture()])
    assert (finding.decision, finding.rule) == ("block", "gore")


@pytest.mark.parametrize(
    ("score", "decision"), [(0.99, "allow"), (0.01, "block"), (math.nan, "block"), (1.7, "block")]
)
def test_what_is_not_of_the_world_is_blocked(score: float, decision: str) -> None:
    world = WorldDetector(ScriptedJudge(score), weights="w")
    (finding,) = ImageFilter([PixelsDetector(), world]).inspect([picture()])
    assert finding.decision == decision
    assert finding.rule.startswith("filter_failed") == (not 0 <= score <= 1)


def test_a_prompt_from_the_grey_zone_must_surely_be_of_the_world() -> None:
    image_filter = ImageFilter([PixelsDetector(), WorldDetector(ScriptedJudge(0.3), weights="w")])
    (plain,), (strict,) = (image_filter.inspect([picture()], strict=one) for one in (False, True))
    assert (plain.decision, strict.decision) == ("allow", "block")
    assert strict.policy == f"{plain.policy}+strict"


def test_the_judge_sees_each_size_apart_and_answers_keep_their_order() -> None:
    judge = ScriptedJudge(0.9)
    wide, tall = picture(width=96, height=64), picture(width=64, height=96)
    sights = WorldDetector(judge, weights="w").look([wide, tall, wide])
    assert judge.shapes == [(2, 64, 96, 3), (1, 96, 64, 3)]
    assert all(sight.decision is Decision.ALLOW for sight in sights)


def test_a_filter_without_a_detector_for_every_category_does_not_open() -> None:
    with pytest.raises(Fault, match="sexual"):
        ImageFilter([PixelsDetector()])


def test_a_checkpoint_without_detectors_gets_no_filter() -> None:
    with pytest.raises(Fault, match="No image detector covers"):
        open_filter(replace(POSTCARDS, detectors=()))


@pytest.fixture
def red(tmp_path: Path) -> Declarations:
    """A detector that sees red, and calls it everything that pictures are blocked for."""
    every = sorted(CATEGORIES)
    limits = {name: {"block": 0.9, "strict": 0.5} for name in every}
    manifest = tiny.redness(tmp_path, labels={"plain": "none", "red": every}, thresholds=limits)
    path = tmp_path / "detectors.toml"
    path.write_text(f'[detectors.red]\nkind = "onnx"\nmanifest = "{manifest}"\n')
    return read_declarations(path)


def test_an_operators_detector_takes_the_place_of_the_world(red: Declarations) -> None:
    image_filter = open_filter(replace(POSTCARDS, detectors=("red",)), declared=red)
    pictures = [tiny.coloured(220, 10, 10), tiny.coloured(200, 110, 110)]
    assert [one.decision for one in image_filter.inspect(pictures)] == ["block", "allow"]
    assert [one.decision for one in image_filter.inspect(pictures, strict=True)] == ["block"] * 2


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_a_category_without_a_detector_is_named_and_opens_no_filter(
    red: Declarations, category: str
) -> None:
    own = red["red"]
    labels = {"plain": (), "red": tuple(c for c in own.labels["red"] if c != category)}
    limits = {name: limit for name, limit in own.thresholds.items() if name != category}
    lacking = replace(own, labels=labels, thresholds=limits)
    with pytest.raises(Fault, match=f"No image detector covers {category};"):
        open_filter(replace(POSTCARDS, detectors=("red",)), declared={"red": lacking})


def test_weights_that_change_while_it_runs_block(red: Declarations) -> None:
    image_filter = open_filter(replace(POSTCARDS, detectors=("red",)), declared=red)
    graph = red["red"].graph
    assert graph is not None
    with graph.file.open("ab") as file:
        file.write(b"x")
    (finding,) = image_filter.inspect([tiny.coloured(10, 10, 220)])
    assert (finding.decision, finding.rule) == ("block", "filter_failed:red:weights")


def test_an_unknown_detector_is_refused_by_name() -> None:
    with pytest.raises(Fault, match="'wrld'"):
        open_filter(replace(POSTCARDS, detectors=("wrld",)))


@pytest.mark.parametrize("score", [0.99, math.nan])
def test_a_judge_that_knows_no_static_is_unfit(monkeypatch: Any, score: float) -> None:
    lenient = WorldDetector(ScriptedJudge(score), weights="w")
    monkeypatch.setitem(images.LOADERS, "world", lambda: lenient)
    with pytest.raises(Fault, match="did not recognise static"):
        open_filter(POSTCARDS)


def test_missing_weights_refuse_to_open(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("farm.postcards.manifest.weights_folder", lambda _: tmp_path / "judge")
    with pytest.raises(Fault, match="no folder of weights"):
        open_filter(POSTCARDS)


def test_altered_weights_refuse_to_open(monkeypatch: Any, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    folder.mkdir()
    (folder / "judge.safetensors").write_bytes(b"not the weights")
    (folder / "manifest.json").write_text('{"sha256": {"judge.safetensors": "00"}}')
    monkeypatch.setattr("farm.postcards.manifest.weights_folder", lambda _: folder)
    with pytest.raises(Fault, match="changed"):
        open_filter(POSTCARDS)


def test_the_policy_names_detectors_thresholds_and_weights() -> None:
    def policy(weights: str) -> str:
        world = WorldDetector(ScriptedJudge(0.9), weights=weights)
        return ImageFilter([PixelsDetector(), world]).policy

    assert policy("a") == policy("a") != policy("b")
