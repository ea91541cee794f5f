"""Where the heads' thresholds stand: as many false positives as we allow on what users write. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from farm.safety.training.figures import Share, share
from farm.safety.training.rows import Row
from farm.safety.training.taxonomy import Taxonomy
from shared.safety.heads import BLOCK, REVIEW, Floats

# False positives on the two kinds of harmless prompts, with those that the word lists cost already.
BUDGETS = {BLOCK: {"ordinary": 0.009, "edgy": 0.028}, REVIEW: {"ordinary": 0.03, "edgy": 0.08}}
LEAST = 0.5  # of a budget: the heads' own, however much of it the words have spent
FEWEST = 50  # prompts of a kind from which a share of a hundredth can be read
APART = 0.2  # of logits: the least between review and block


Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cut:
    """Logits at which a prompt goes to review and is blocked; `costs`: false positives at `block`."""

    review: float
    block: float
    costs: Mapping[str, Share]


def cut(rows: Sequence[Row], worst: Floats, listed: Bools, taxonomy: Taxonomy) -> Cut:
    """`worst` float32[rows]: the highest logit of each prompt, by readers that had not seen it.

    `listed` bool[rows]: what the word lists block without any head.
    """
    sources = {"ordinary": taxonomy.ordinary, "edgy": taxonomy.edgy}
    benign = np.array([not row.unsafe for row in rows])
    kinds = {
        kind: benign & np.array([row.source in named for row in rows])
        for kind, named in sources.items()
    }
    usable = {kind: own for kind, own in kinds.items() if own.sum() >= FEWEST}
    usable = usable or {"ordinary": benign}
    block, review = (
        max(_at(worst[own], listed[own], BUDGETS[zone][kind]) for kind, own in usable.items())
        for zone in (BLOCK, REVIEW)
    )
    costs = {kind: share((worst[own] >= block) | listed[own]) for kind, own in usable.items()}
    return Cut(min(review, block - APART), block, costs)


def _at(worst: Floats, listed: Bools, budget: float) -> float:
    """The lowest logit whose false positives, with the listed ones, keep the budget."""
    mine = np.sort(worst[~listed])[::-1]
    allowed = max(budget * len(worst) - listed.sum(), LEAST * budget * len(worst))
    return float(np.nextafter(mine[min(int(allowed), len(mine) - 1)], np.float32(np.inf)))


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
