"""What the prompt layer says: signs it saw, scores by category, and the verdict a policy makes of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SEXUAL, MINOR, GORE, HATE = "sexual", "minor", "gore", "hate"
SELF_HARM, ILLEGAL, PUBLIC_FIGURE, ADVERSARIAL = (
    "self_harm",
    "illegal",
    "public_figure",
    "adversarial",
)
CATEGORIES = (SEXUAL, MINOR, GORE, HATE, SELF_HARM, ILLEGAL, PUBLIC_FIGURE, ADVERSARIAL)
# What thresholds are set for. Minors have none: minor + sexual is a rule that no policy reaches.
POLICED = tuple(category for category in CATEGORIES if category != MINOR)
NONE = "none"
FAILED = "screen_failed"
MINOR_RULE = "minor_and_sexual"


class Decision(StrEnum):
    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Sign:
    """One piece of evidence: `score` in 0..1, `rule` what fired, `words` what it fired on (may be "").

    `words` are for their author and for moderators; they go into no log.
    """

    category: str
    score: float
    rule: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a prompt shows, before any policy. `version` names lists and weights, `sha256` the text.

    `hard` is a sign that blocks whatever the policy is; `failed` the error that kept the screen from
    answering.
    """

    signs: tuple[Sign, ...]
    version: str
    sha256: str
    hard: Sign | None = None
    failed: str = ""

    @property
    def scores(self) -> dict[str, float]:
        return {sign.category: sign.score for sign in sorted(self.signs, key=_score)}

    def strongest(self, category: str) -> Sign | None:
        own = (sign for sign in self.signs if sign.category == category)
        return max(own, key=_score, default=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` names what fired, `policy` the thresholds and lists, `sha256` what was judged.

    `scores` are of every category, so that another policy can be tried on what was said before.
    """

    decision: Decision
    category: str
    score: float
    rule: str
    policy: str
    sha256: str
    words: str = ""
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def failed(self) -> bool:
        """The screen could not answer: a block that says nothing about the person who typed."""
        return self.rule.startswith(FAILED)

    @property
    def hard(self) -> bool:
        """No policy, no moderator and no appeal changes it."""
        return self.decision is Decision.BLOCK and self.category == MINOR


def strongest(signs: Iterable[Sign]) -> tuple[Sign, ...]:
    """One sign for each category and rule family, the strongest of its kind, the strongest first."""
    best: dict[tuple[str, str], Sign] = {}
    for sign in signs:
        kind = sign.category, sign.rule.partition(":")[0]
        best[kind] = max(sign, best.get(kind, sign), key=_score)
    return tuple(sorted(best.values(), key=_score, reverse=True))


def _score(sign: Sign) -> float:
    return sign.score
