"""Word vectors from a sentence encoder: here one that was never trained, of two words and a piece."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from farm.safety.training.vectors import distil, whole_words
from shared.errors import Fault
from shared.safety.features import words
from shared.safety.heads import vectors_of

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fox", "owl", "##s", "a", "map", "red"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(1)
    shape = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(shape).save_pretrained(folder)
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_whole_words_are_those_that_stand_alone(encoder: Path) -> None:
    assert whole_words(encoder) == ["fox", "owl", "map", "red"]


def test_words_are_kept_as_hashes_and_have_different_vectors(encoder: Path) -> None:
    listed = ["fox", "owl", "map", "red", "foxs"]
    tensors = distil(encoder, listed, {}, dims=4)
    assert tensors["keys"].tolist() == sorted(zlib.crc32(word.encode()) for word in listed)
    assert tensors["vectors"].shape == (5, 4)
    means = vectors_of(tensors).means(words([*listed, "unknown"]), 6)
    assert np.linalg.norm(means, axis=1) == pytest.approx([1, 1, 1, 1, 1, 0], abs=1e-3)
    assert np.abs(means[0] - means[1]).max() > 0.1


def test_a_common_word_counts_less(encoder: Path) -> None:
    listed = ["fox", "owl", "map", "red"]
    rare = distil(encoder, listed, {}, dims=4)
    common = distil(encoder, listed, {"fox": 10_000}, dims=4)
    place = rare["keys"].tolist().index(zlib.crc32(b"fox"))
    assert common["scale"][place] < rare["scale"][place] / 2


def test_a_folder_without_an_encoder_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no sentence encoder"):
        distil(tmp_path, ["fox"], {})
