"""Word vectors distilled from a sentence encoder on disk: run once, its result ships, training reads it.

The encoder reads each word by itself; its means are centred, cut to their main directions and rounded to
8 bits. What is left of the encoder is a table that numpy can average. Words are kept as CRC-32 only.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fault
from shared.safety.tensors import Tensors

DIMS = 128
BATCH = 512
COMMON = 1e-3  # a word this frequent counts half (smooth inverse frequency, Arora et al. 2017)


def distil(
    folder: Path, words: Iterable[str], counts: Mapping[str, int], dims: int = DIMS
) -> Tensors:
    """Tensors of the table for `words`; `counts` says how often each stands in ordinary prompts."""
    by_key = {zlib.crc32(word.encode()): word for word in sorted(set(words))}
    keys = sorted(by_key)
    listed = [by_key[key] for key in keys]
    vectors = _reduced(_read_alone(folder, listed), dims)
    total = sum(counts.values()) + len(listed)
    shares = np.array([(counts.get(word, 0) + 1) / total for word in listed])
    weighed = vectors * (COMMON / (COMMON + shares))[:, None]
    scale = np.abs(weighed).max(axis=1) / 127
    return {
        "keys": np.array(keys, np.uint32),
        "vectors": np.rint(weighed / scale[:, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
    }


def whole_words(folder: Path) -> list[str]:
    """The encoder's own vocabulary, without pieces, marks and single letters."""
    lines = (folder / "vocab.txt").read_text().splitlines()
    return [line for line in lines if len(line) > 1 and line.isascii() and line.isalnum()]


def _read_alone(folder: Path, words: Sequence[str]) -> NDArray[np.float32]:
    import torch

    tokenizer, encoder = _open(folder)
    means = []
    with torch.inference_mode():
        for start in range(0, len(words), BATCH):
            batch = tokenizer(list(words[start : start + BATCH]), padding=True, return_tensors="pt")
            hidden = encoder(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            means.append(((hidden * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(means)


def _open(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        encoder = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        return tokenizer, encoder.eval()
    except (OSError, ValueError) as error:
        sentence = f"{folder} holds no sentence encoder that can be read: {error}."
        raise Fault("encoder_unreadable", sentence) from error


def _reduced(vectors: NDArray[np.float32], dims: int) -> NDArray[np.float32]:
    """The main directions of a centred table; a mean deviation of 1."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = centred @ directions[:, ::-1][:, :dims]
    return np.asarray(kept / kept.std(axis=0).mean(), np.float32)
