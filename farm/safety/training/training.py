"""`pictor safety train`: fits the heads, sets their thresholds, writes them and what they were made from."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from farm.safety.training.calibration import Bools, Cut, cut, rescaled
from farm.safety.training.figures import Share, share
from farm.safety.training.fitting import Readers, Sample, fit_mix, fit_readers
from farm.safety.training.rows import BENIGN, UNSAFE, Row
from farm.safety.training.samples import (
    FOLDS,
    folds_of,
    heads_for,
    labels_of,
    sample_of,
    windows_of,
)
from farm.safety.training.taxonomy import Taxonomy
from shared.safety.disguises import spelled
from shared.safety.heads import NAME, VECTORS, Floats, Vectors
from shared.safety.tensors import Tensors, write_tensors

ENCODER = {"from": "all-MiniLM-L6-v2 (Apache-2.0), each word read by itself"}
ENOUGH_TO_LEAVE_OUT = 30  # unsafe prompts of a source whose absence says something
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """What lists and heads blocked: `seen` prompts that the fit had not seen, by source and category;
    `strange` unsafe ones whose whole source it had not seen.
    """

    heads: tuple[str, ...]
    readers: Readers
    mix: Floats
    mix_bias: Floats
    cut: Cut
    seen: dict[str, Share]
    strange: dict[str, Share]


def train(
    rows: Sequence[Row],
    drawn: Sequence[Row],
    vectors: Vectors,
    taxonomy: Taxonomy,
    *,
    listed: Bools,
    seed: int,
    say: Say,
) -> Trained:
    """`drawn` (the seed corpus) teaches and is in no figure; `listed` is what the words block alone."""
    heads = heads_for([*rows, *drawn])
    held = _held_out(rows, drawn, heads, vectors, seed, say)
    labels = np.array([labels_of(row, heads) for row in rows], bool)
    weights = np.array([row.weight for row in rows])
    mix, bias = fit_mix(held.whole, labels, weights)
    worst = _worst(held.parts, held.owners, mix, bias)
    found = cut(rows, worst, listed, taxonomy)
    say("all prompts")
    readers = fit_readers(sample_of([*rows, *drawn], heads), vectors, seed)
    seen = _shares(rows, (worst >= found.block) | listed)
    strange = _strange(rows, drawn, heads, vectors, (mix, bias), found, listed, seed, say)
    return Trained(heads, readers, *rescaled(mix, bias, found), found, seen, strange)


@dataclass(frozen=True, slots=True)
class Held:
    """Logits of readers that had not seen the prompt: of its `whole` text, and of its windows."""

    whole: Floats
    parts: Floats
    owners: NDArray[np.int64]


def _held_out(
    rows: Sequence[Row],
    drawn: Sequence[Row],
    heads: Sequence[str],
    vectors: Vectors,
    seed: int,
    say: Say,
) -> Held:
    folds = folds_of(rows)
    texts = [spelled(row.prompt) for row in rows]
    parts = [windows_of(text) for text in texts]
    owners = np.repeat(np.arange(len(rows)), [len(each) for each in parts])
    flat = [part for each in parts for part in each]
    whole = np.zeros((len(rows), 2 * len(heads)), np.float32)
    pieces = np.zeros((len(flat), 2 * len(heads)), np.float32)
    for fold in range(FOLDS):
        say(f"fold {fold + 1} of {FOLDS}")
        readers = fit_readers(_without(rows, drawn, folds == fold, heads), vectors, seed)
        mine, own = np.flatnonzero(folds == fold), np.flatnonzero(folds[owners] == fold)
        whole[mine] = readers.logits([texts[index] for index in mine])
        pieces[own] = readers.logits([flat[index] for index in own])
    return Held(whole, pieces, owners)


def _without(rows: Sequence[Row], drawn: Sequence[Row], out: Bools, heads: Sequence[str]) -> Sample:
    kept = [row for row, gone in zip(rows, out, strict=True) if not gone]
    return sample_of([*kept, *drawn], heads)


def _worst(parts: Floats, owners: NDArray[np.int64], mix: Floats, bias: Floats) -> Floats:
    """Of each prompt its worst window's worst head; `owners` ascend."""
    worst = (parts @ mix + bias).max(axis=1)
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    return np.asarray(np.maximum.reduceat(worst, starts), np.float32)


def _strange(
    rows: Sequence[Row],
    drawn: Sequence[Row],
    heads: Sequence[str],
    vectors: Vectors,
    mix: tuple[Floats, Floats],
    found: Cut,
    listed: Bools,
    seed: int,
    say: Say,
) -> dict[str, Share]:
    """Each source judged by readers that never saw one prompt of it: what another kind would meet."""
    shares: dict[str, Share] = {}
    for source in sorted({row.source for row in rows}):
        mine = np.array([row.source == source and row.unsafe for row in rows])
        own = [row for row, is_mine in zip(rows, mine, strict=True) if is_mine]
        rest = [row for row in rows if row.source != source]
        if len(own) < ENOUGH_TO_LEAVE_OUT or heads_for([*rest, *drawn]) != heads:
            continue
        say(f"without {source}")
        readers = fit_readers(sample_of([*rest, *drawn], heads), vectors, seed)
        parts = [windows_of(spelled(row.prompt)) for row in own]
        owners = np.repeat(np.arange(len(own)), [len(each) for each in parts])
        logits = readers.logits([part for each in parts for part in each])
        shares[source] = share((_worst(logits, owners, *mix) >= found.block) | listed[mine])
    return shares


def _shares(rows: Sequence[Row], blocked: Bools) -> dict[str, Share]:
    """By source and label, and of the unsafe ones by category."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for row, is_blocked in zip(rows, blocked, strict=True):
        groups[f"{row.source}: {UNSAFE if row.unsafe else BENIGN}"].append(bool(is_blocked))
        for category in row.categories:
            groups[category].append(bool(is_blocked))
    return {name: share(groups[name]) for name in sorted(groups)}


def write_heads(
    folder: Path, trained: Trained, *, data: bytes, rows: Sequence[Row], seed: int
) -> str:
    """Both files with their manifests into `folder`; answers with the SHA-256 of the data."""
    digest = hashlib.sha256(data).hexdigest()
    about: dict[str, object] = {
        "categories": trained.heads[1:],
        "data_sha256": digest,
        "rows": len(rows),
        "unsafe_rows": sum(row.unsafe for row in rows),
        "seed": seed,
        "versions": {name: version(name) for name in ("numpy", "scikit-learn", "safetensors")},
        "blocked_out_of_fold": {name: one.told for name, one in trained.seen.items()},
        "blocked_without_the_source": {name: one.told for name, one in trained.strange.items()},
        "false_positives": {name: one.told for name, one in trained.cut.costs.items()},
    }
    write_tensors(folder, NAME, tensors_of(trained), about)
    return digest


def tensors_of(trained: Trained) -> Tensors:
    linear, network = trained.readers.linear, trained.readers.network
    names = "\n".join(trained.heads).encode()
    return {
        "categories": np.frombuffer(names, np.uint8),
        "rarity": linear.rarity.astype(np.float16),
        "coefficients": linear.coefficients.astype(np.float16),
        "bias": linear.bias,
        "inner": network.inner.astype(np.float16),
        "inner_bias": network.inner_bias,
        "outer": network.outer.astype(np.float16),
        "outer_bias": network.outer_bias,
        "mix": trained.mix,
        "mix_bias": trained.mix_bias,
    }


def write_vectors(folder: Path, vectors: Vectors) -> None:
    table: Tensors = {
        "keys": vectors.keys.astype(np.uint32),
        "vectors": vectors.table,
        "scale": vectors.scale,
    }
    write_tensors(folder, VECTORS, table, ENCODER)
