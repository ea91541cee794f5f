"""The prompt screen: normalise, match, decide. Whatever goes wrong in it is a block."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.blocklist import MINOR, SEXUAL, Blocklist
from shared.blocklist import read_blocklist as read_blocklist
from shared.disguises import normalise, spelled
from shared.lexicon import SLUR, Hit, find, singulars

NONE = "none"
FAILED = "screen_failed"
MINOR_RULE = "minor_and_sexual"


class Decision(StrEnum):
    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` names what fired, `policy` the list it came from, `sha256` what was judged."""

    decision: Decision
    category: str
    score: float
    rule: str
    policy: str
    sha256: str

    @property
    def failed(self) -> bool:
        """The screen could not answer: a block that says nothing about the person who typed."""
        return self.rule.startswith(FAILED)


class PromptScreen:
    def __init__(self, blocklist: Blocklist) -> None:
        self._blocklist = blocklist
        self.policy = blocklist.policy

    def screen(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> Verdict:
        """The gravest verdict on the texts one by one and together; `negative` is what --no names."""
        try:
            return self._screen(tuple(texts), tuple(negative))
        except Exception as error:  # fail closed: no answer is a no
            rule = f"{FAILED}:{type(error).__name__}"
            return Verdict(Decision.BLOCK, NONE, 1.0, rule, self.policy, _digest(""))

    def _screen(self, texts: tuple[str, ...], negative: tuple[str, ...]) -> Verdict:
        unwanted = [f"no {item}" for item in negative if not self._is_declined(item)]
        whole = " ".join((*texts, *unwanted))
        judged = [self._judge(text) for text in dict.fromkeys((whole, *texts, *unwanted))]
        digest = _digest(normalise(" ".join((*texts, *(f"no {item}" for item in negative)))))
        category, score, rule = max(judged, key=lambda found: (found[0] == MINOR, found[1]))
        return Verdict(self._decide(score), category, score, rule, self.policy, digest)

    def _is_declined(self, item: str) -> bool:
        return any(form in self._blocklist.declined for form in singulars(spelled(item)))

    def _judge(self, text: str) -> tuple[str, float, str]:
        """(category, score, rule) of one text."""
        hits = find(text, self._blocklist)
        if _is_minor_and_sexual(hits):
            return MINOR, 1.0, MINOR_RULE
        sums = {category: _sum(hits, category) for category in _categories(hits)}
        if not any(sums.values()):
            return NONE, 0.0, ""
        worst = max(sums, key=lambda category: sums[category])
        named = max((hit for hit in hits if hit.category == worst), key=lambda hit: hit.score)
        return worst, sums[worst], f"lexicon:{worst}:{named.shown}"

    def _decide(self, score: float) -> Decision:
        if score >= self._blocklist.block:
            return Decision.BLOCK
        return Decision.REVIEW if score >= self._blocklist.review else Decision.ALLOW


def sentence_for(verdict: Verdict) -> str:
    """What the person is told: which rule, and what to do."""
    if verdict.failed:
        return (
            "The prompt screen could not answer, and without its answer nothing is drawn. "
            "Nothing was charged; please try again in a minute."
        )
    if verdict.category == MINOR:
        return (
            "This prompt cannot be drawn: sexual content and minors are never combined here, and no "
            f"setting changes that (rule {verdict.rule}). Nothing was charged."
        )
    name = NAMES.get(verdict.category, verdict.category)
    word = verdict.rule.rpartition(":")[2]
    because = f" because of “{word}”" if word and word != SLUR.text else ""
    return (
        f"This prompt was stopped by the rule on {name}{because}. Say it another way, and nothing was "
        f"charged. If the rule is wrong here, tell a moderator its name: {verdict.rule}."
    )


NAMES = {
    "sexual": "sexual content",
    "gore": "gore",
    "hate": "hate",
    "self_harm": "self-harm",
    "illegal": "illegal acts",
}


def _is_minor_and_sexual(hits: Iterable[Hit]) -> bool:
    return {MINOR, SEXUAL} <= _categories(hits)


def _categories(hits: Iterable[Hit]) -> set[str]:
    return {hit.category for hit in hits}


def _sum(hits: Iterable[Hit], category: str) -> float:
    own = [hit for hit in hits if hit.category == category]
    full = sum(hit.score for hit in own if not hit.lowered)
    return min(1.0, full + max((hit.score for hit in own if hit.lowered), default=0.0))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
