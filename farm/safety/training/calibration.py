"""Where the heads' thresholds stand: as many false positives as we allow on what users write. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from farm.safety.training.figures import Share, share
from farm.safety.training.rows import Row
from farm.safety.training.taxonomy import Taxonomy
from shared.safety.heads import BLOCK, REVIEW, Floats

# False positives that a threshold may cost on the two kinds of harmless prompts.
BUDGETS = {BLOCK: {"ordinary": 0.008, "edgy": 0.025}, REVIEW: {"ordinary": 0.03, "edgy": 0.08}}
FEWEST = 50  # prompts of a kind from which a share of a hundredth can be read
APART = 0.2  # of logits: the least between review and block


@dataclass(frozen=True, slots=True)
class Cut:
    """Logits at which a prompt goes to review and is blocked; `costs`: false positives at `block`."""

    review: float
    block: float
    costs: Mapping[str, Share]


def cut(rows: Sequence[Row], worst: Floats, taxonomy: Taxonomy) -> Cut:
    """`worst` float32[rows]: the highest logit of each prompt, by readers that had not seen it."""
    kinds = {
        "ordinary": _of(rows, worst, taxonomy.ordinary),
        "edgy": _of(rows, worst, taxonomy.edgy),
    }
    usable = {kind: values for kind, values in kinds.items() if len(values) >= FEWEST}
    every = {"ordinary": worst[np.array([not row.unsafe for row in rows])]}
    block, review = (_at(usable or every, BUDGETS[zone]) for zone in (BLOCK, REVIEW))
    costs = {kind: share(values >= block) for kind, values in (usable or every).items()}
    return Cut(min(review, block - APART), block, costs)


def _of(rows: Sequence[Row], worst: Floats, sources: frozenset[str]) -> Floats:
    return worst[np.array([row.source in sources and not row.unsafe for row in rows])]


def _at(kinds: Mapping[str, Floats], budgets: Mapping[str, float]) -> float:
    """The lowest logit that keeps every budget."""
    return max(float(np.quantile(values, 1 - budgets[kind])) for kind, values in kinds.items())


def rescaled(mix: Floats, bias: Floats, found: Cut) -> tuple[Floats, Floats]:
    """The mix by which the score at `review` is REVIEW and at `block` BLOCK: the policy's bands."""
    low, high = _logit(REVIEW), _logit(BLOCK)
    slope = (high - low) / (found.block - found.review)
    return (
        np.asarray(mix * slope, np.float32),
        np.asarray(high + (bias - found.block) * slope, np.float32),
    )


def _logit(share_: float) -> float:
    return math.log(share_ / (1 - share_))
