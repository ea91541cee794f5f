import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from shared.errors import Fault
from shared.safety.features import BITS, END, pairs, pieces, words
from shared.safety.heads import ANY, NAME, VECTORS, Heads
from shared.safety.screen import WEIGHTS
from shared.safety.tensors import Tensors, write_tensors
from shared.safety.verdict import POLICED

TEXTS = ["a red fox", "two owls reading a map", "a"]


@pytest.fixture(scope="module")
def shipped() -> Heads:
    return Heads.load(WEIGHTS)


def test_the_shipped_heads_score_every_window_and_name_categories_that_have_thresholds(
    shipped: Heads,
) -> None:
    scores = shipped.scores(TEXTS)
    assert len(scores) == len(TEXTS)
    assert set(scores[0]) <= set(POLICED)
    assert ANY not in scores[0]
    assert all(0 <= value <= 1 for each in scores for value in each.values())


def test_a_window_scores_the_same_alone_and_among_others(shipped: Heads) -> None:
    together = shipped.scores(TEXTS)
    for text, among in zip(TEXTS, together, strict=True):
        assert shipped.scores([text])[0] == pytest.approx(among, abs=1e-5)


def test_no_window_no_score(shipped: Heads) -> None:
    assert shipped.scores([]) == []


@pytest.mark.parametrize("text", ["", " ", "\n", "日本", "x" * 5000, "\ud800", "a\nb c\n"])
def test_strange_texts_have_scores_too(shipped: Heads, text: str) -> None:
    (scores,) = shipped.scores([text])
    assert all(0 <= value <= 1 for value in scores.values())


def test_what_any_harm_says_is_said_by_the_likeliest_category(shipped: Heads) -> None:
    values = shipped.values(TEXTS)
    for row, scores in zip(values, shipped.scores(TEXTS), strict=True):
        assert max(scores.values()) == pytest.approx(max(row), abs=1e-6)


def _copied(folder: Path, **changed: Any) -> Path:
    for name in (VECTORS, NAME):
        tensors = {**load_file(WEIGHTS / f"{name}.safetensors")}
        tensors |= {key: value for key, value in changed.items() if key in tensors}
        write_tensors(folder, name, tensors, {})
    return folder


def test_a_changed_byte_is_a_fault(tmp_path: Path) -> None:
    folder = _copied(tmp_path)
    file = folder / f"{NAME}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Fault, match="not the file that its manifest names"):
        Heads.load(folder)


@pytest.mark.parametrize("gone", ["heads.safetensors", "heads.json", "vectors.safetensors"])
def test_a_missing_file_is_a_fault(tmp_path: Path, gone: str) -> None:
    (_copied(tmp_path) / gone).unlink()
    with pytest.raises(Fault):
        Heads.load(tmp_path)


@pytest.mark.parametrize("part", ["coefficients", "mix", "rarity", "scale", "outer"])
def test_coefficients_that_are_no_numbers_are_a_fault(tmp_path: Path, part: str) -> None:
    whole: dict[str, Any] = {}
    for name in (VECTORS, NAME):
        whole |= load_file(WEIGHTS / f"{name}.safetensors")
    broken = whole[part].copy()
    broken.flat[0] = np.nan
    with pytest.raises(Fault, match=part):
        Heads.load(_copied(tmp_path, **{part: broken}))


def test_parts_that_do_not_fit_are_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="do not fit"):
        Heads.load(_copied(tmp_path, rarity=np.ones(2**BITS - 1, np.float16)))


def test_a_manifest_without_its_hash_is_a_fault(tmp_path: Path) -> None:
    (_copied(tmp_path) / "heads.json").write_text(json.dumps({"rows": 3}))
    with pytest.raises(Fault):
        Heads.load(tmp_path)


def test_scores_that_are_no_numbers_are_a_fault(shipped: Heads) -> None:
    sick = Heads(
        shipped.categories,
        shipped.linear,
        shipped.vectors,
        shipped.network,
        np.full_like(shipped.mix, np.nan),
        shipped.mix_bias,
        shipped.version,
    )
    with pytest.raises(Fault, match="no number"):
        sick.scores(["a red fox"])


def test_another_coefficient_is_another_version(tmp_path: Path, shipped: Heads) -> None:
    tensors: Tensors = load_file(WEIGHTS / f"{NAME}.safetensors")
    moved = Heads.load(_copied(tmp_path, mix_bias=tensors["mix_bias"] + 1))
    assert moved.version != shipped.version
    assert Heads.load(_copied(tmp_path / "same")).version == shipped.version


def test_pieces_are_the_runs_of_three_to_five_letters_inside_each_word() -> None:
    # of " ab ": " ab", "ab ", " ab "; of " c ": itself
    found = pieces(["ab c", "ab"])
    assert [int(count) for count in np.bincount(found.rows)] == [4, 3]
    first, second = (set(found.ids[found.rows == row].tolist()) for row in (0, 1))
    assert second < first


def test_pieces_do_not_run_from_one_text_into_the_next() -> None:
    apart = [set(pieces([text]).ids.tolist()) for text in ("abc", "def")]
    together = pieces(["abc", "def"])
    for row in (0, 1):
        assert set(together.ids[together.rows == row].tolist()) == apart[row]
    assert chr(END) == "\n"


def test_words_and_their_neighbours() -> None:
    found = pairs(words(["red fox", "red fox jumps", ""]))
    assert [int(count) for count in np.bincount(found.rows, minlength=3)] == [3, 5, 0]
    turned = pairs(words(["fox red"]))
    shared = set(found.ids[found.rows == 0].tolist()) & set(turned.ids.tolist())
    assert len(shared) == 2
