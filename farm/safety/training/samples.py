"""From labelled prompts to what is fitted: spelled texts, windows, labels by head, folds."""

import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from farm.safety.training.fitting import Sample
from farm.safety.training.rows import Row
from shared.errors import Refusal
from shared.safety.disguises import spelled
from shared.safety.heads import ANY
from shared.safety.verdict import POLICED
from shared.safety.windows import windows

FOLDS = 5
FEWEST = 8  # unsafe prompts of a category below which it gets no head
PART = 0.5  # weight of a window of a harmless prompt: each part of it is harmless too


def heads_for(rows: Sequence[Row]) -> tuple[str, ...]:
    """ANY and the categories that have enough prompts. Refusal when there is nothing to tell apart."""
    counts = Counter(category for row in rows for category in row.categories)
    unsafe = sum(row.unsafe for row in rows)
    if unsafe < FEWEST or len(rows) - unsafe < FEWEST:
        sentence = (
            f"There are {unsafe} unsafe and {len(rows) - unsafe} benign prompts; training takes at least"
            f" {FEWEST} of each. Add rows to the file."
        )
        raise Refusal("data_too_small", sentence, field="label")
    return (ANY, *(each for each in POLICED if counts[each] >= FEWEST))


def sample_of(rows: Sequence[Row], heads: Sequence[str]) -> Sample:
    """Each prompt, and each window of a long harmless one."""
    texts, labels, weights = [], [], []
    for row in rows:
        whole = spelled(row.prompt)
        parts = [] if row.unsafe else [part for part in windows_of(whole) if part != whole]
        texts += [whole, *parts]
        weights += [row.weight, *(row.weight * PART for _ in parts)]
        labels += [labels_of(row, heads)] * (1 + len(parts))
    return Sample(tuple(texts), np.array(labels, bool), np.array(weights))


def labels_of(row: Row, heads: Sequence[str]) -> list[bool]:
    return [row.unsafe if head == ANY else head in row.categories for head in heads]


def windows_of(text: str) -> list[str]:
    """What the screen asks the heads about."""
    return windows(text.split()) or [""]


def folds_of(rows: Sequence[Row]) -> NDArray[np.int64]:
    """0..FOLDS-1 by the text, so that one prompt under two ids is in one fold."""
    return np.array([zlib.crc32(spelled(row.prompt).encode()) % FOLDS for row in rows])
