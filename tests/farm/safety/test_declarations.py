"""The operator's detectors.toml: what may stand in it, and what is named when it may not."""

from pathlib import Path
from typing import Any

import pytest

from farm.safety.declarations import read_declarations, uncovered
from farm.safety.images import KINDS
from shared.errors import Fault
from tests.farm.safety import tiny

FOLDER = 'kind = "vit"\nfolder = "/models/nsfw"\n'
LABELS = 'labels = { normal = "none", nsfw = ["sexual", "minor"] }\n'
THRESHOLDS = """thresholds.sexual = { block = 0.7, strict = 0.4 }
thresholds.minor = { block = 0.7, strict = 0.4 }
"""


def written(folder: Path, row: str, *, name: str = "nsfw") -> Path:
    path = folder / "detectors.toml"
    path.write_text(f"[detectors.{name}]\n{row}")
    return path


def test_a_detector_is_read_with_what_its_labels_stand_for(tmp_path: Path) -> None:
    path = written(tmp_path, FOLDER + LABELS + THRESHOLDS + 'device = "cuda"\n')
    nsfw = read_declarations(path)["nsfw"]
    assert (nsfw.kind, nsfw.device, nsfw.folder) == ("vit", "cuda", Path("/models/nsfw"))
    assert nsfw.labels == {"normal": (), "nsfw": ("sexual", "minor")}
    assert nsfw.covers == {"sexual", "minor"}
    assert nsfw.thresholds["minor"].strict == 0.4


def test_no_file_declares_no_detector() -> None:
    assert read_declarations(None) == {}


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ('kind = "oracle"\n' + LABELS + THRESHOLDS, "kind must be one of"),
        ('kind = "vit"\n' + LABELS + THRESHOLDS, "needs a folder"),
        (FOLDER + THRESHOLDS, "labels"),
        (FOLDER + LABELS, "thresholds"),
        (FOLDER + LABELS + 'thresholds.sexual = { block = 0.7, strict = 0.4 }', "exactly what it covers"),
        (FOLDER + LABELS + THRESHOLDS.replace("0.7", "0.3"), "strict <= block"),
        (FOLDER + LABELS + THRESHOLDS.replace("0.4", "nan"), "strict <= block"),
        (FOLDER + LABELS + THRESHOLDS.replace("0.4", "0.0"), "strict <= block"),
        (FOLDER + 'labels = { a = "none" }\nthresholds = {}\n', "no label stands for a category"),
        (FOLDER + LABELS.replace("minor", "puppies") + THRESHOLDS.replace("minor", "puppies"), "puppies"),
        (FOLDER + LABELS + THRESHOLDS + "weight = 3\n", "weight"),
        (FOLDER + LABELS + THRESHOLDS + 'device = "tpu"\n', "device"),
        ('kind = "nudenet"\n', "sha256"),
        ('kind = "onnx"\n' + LABELS + THRESHOLDS, "needs a manifest"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, row: str, named: str) -> None:
    with pytest.raises(Fault, match=named) as caught:
        read_declarations(written(tmp_path, row))
    assert "nsfw" in caught.value.sentence


@pytest.mark.parametrize("name", ["world", '"a b"', '""'])
def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Fault, match="no name"):
        read_declarations(written(tmp_path, FOLDER + LABELS + THRESHOLDS, name=name))


def test_a_file_that_is_missing_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be used"):
        read_declarations(tmp_path / "none.toml")
    (tmp_path / "detectors.toml").write_text("[detectors")
    with pytest.raises(Fault, match="cannot be used"):
        read_declarations(tmp_path / "detectors.toml")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"input": {"width": 8, "height": 0}}, "above 0"),
        ({"input": {"width": 8, "height": 8, "std": [0.0, 1.0, 1.0]}}, "above 0"),
        ({"input": {"width": 8, "height": 8, "depth": 3}}, "depth"),
        ({"output": "tanh"}, "softmax"),
        ({"sha256": "abc"}, "64 hexadecimal"),
        ({"author": "me"}, "author"),
    ],
)
def test_what_is_wrong_with_a_graphs_manifest_is_named(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    manifest = tiny.redness(tmp_path, **changes)
    path = written(tmp_path, f'kind = "onnx"\nmanifest = "{manifest}"\n')
    with pytest.raises(Fault, match=named):
        read_declarations(path)


def test_a_row_may_draw_the_line_elsewhere_than_the_manifest(tmp_path: Path) -> None:
    manifest = tiny.redness(tmp_path)
    labels = 'labels = { plain = "none", red = "hate" }\n'
    row = f'kind = "onnx"\nmanifest = "{manifest}"\n{labels}'
    row += "thresholds.hate = { block = 0.5, strict = 0.5 }\n"
    red = read_declarations(written(tmp_path, row))["nsfw"]
    assert red.covers == {"hate"}
    assert red.graph is not None
    assert red.graph.file == tmp_path / "redness.onnx"


def test_what_no_detector_looks_for_is_named(tmp_path: Path) -> None:
    declared = read_declarations(written(tmp_path, FOLDER + LABELS + THRESHOLDS))
    assert uncovered(("world",), {}) == frozenset()
    assert uncovered(("nsfw", "world"), declared) == frozenset()
    assert uncovered(("nsfw",), declared) == {
        *("gore", "hate", "self_harm", "illegal", "public_figure", "adversarial")
    }
    assert "sexual" in uncovered(("nowhere",), declared)


def test_every_kind_has_a_loader() -> None:
    from farm.safety import declarations

    assert set(declarations.KINDS) == set(KINDS)
