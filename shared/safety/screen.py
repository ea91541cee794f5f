"""The prompt screen: normalise, match, assess. Whatever goes wrong in it is a block."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.safety.blocklist import CATEGORIES, MINOR, SEXUAL, Blocklist, read_blocklist
from shared.safety.disguises import normalise, spelled
from shared.safety.lexicon import SLUR, Hit, find, singulars
from shared.safety.policy import OperatorPolicy, Policy, decide, read_policy
from shared.safety.verdict import MINOR_RULE, Assessment, Sign, Verdict, strongest


class PromptScreen:
    """`rules` is the operator's policy; a screen made without asking for another decides by it."""

    def __init__(self, blocklist: Blocklist, rules: OperatorPolicy) -> None:
        self._blocklist = blocklist
        self.rules = rules
        self.version = blocklist.policy

    def screen(
        self, texts: Sequence[str], *, negative: Sequence[str] = (), policy: Policy | None = None
    ) -> Verdict:
        return decide(self.assess(texts, negative=negative), policy or self.rules.policy)

    def assess(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> Assessment:
        """What the texts show one by one and together; `negative` is what --no names. Never raises."""
        try:
            return self._assess(tuple(texts), tuple(negative))
        except Exception as error:  # fail closed: no answer is a no
            return Assessment((), self.version, _digest(""), failed=type(error).__name__)

    def _assess(self, texts: tuple[str, ...], negative: tuple[str, ...]) -> Assessment:
        unwanted = [f"no {item}" for item in negative if not self._is_declined(item)]
        whole = " ".join((*texts, *unwanted))
        found = [find(text, self._blocklist) for text in dict.fromkeys((whole, *texts, *unwanted))]
        digest = _digest(normalise(" ".join((*texts, *(f"no {item}" for item in negative)))))
        hard = any(map(_is_minor_and_sexual, found))
        return Assessment(
            strongest(sign for hits in found for sign in _signs(hits)),
            self.version,
            digest,
            hard=Sign(MINOR, 1.0, MINOR_RULE) if hard else None,
        )

    def _is_declined(self, item: str) -> bool:
        return any(form in self._blocklist.declined for form in singulars(spelled(item)))


def open_screen(blocklist: Path, policy: Path) -> PromptScreen:
    """Fault when a file of it is missing or cannot be used: no screen, no service."""
    return PromptScreen(read_blocklist(blocklist), read_policy(policy))


def sentence_for(verdict: Verdict) -> str:
    """What the person is told: which rule, and what to do."""
    if verdict.failed:
        return (
            "The prompt screen could not answer, and without its answer nothing is drawn. "
            "Nothing was charged; please try again in a minute."
        )
    if verdict.hard:
        return (
            "This prompt cannot be drawn: sexual content and minors are never combined here, and no "
            f"setting changes that (rule {verdict.rule}). Nothing was charged."
        )
    name = NAMES.get(verdict.category, verdict.category)
    because = f" because of “{verdict.words}”" if verdict.words else ""
    return (
        f"This prompt was stopped by the rule on {name}{because}. Say it another way, and nothing was "
        f"charged. If the rule {verdict.rule} is wrong here, appeal, and a moderator looks at it."
    )


NAMES = {
    "sexual": "sexual content",
    "gore": "gore",
    "hate": "hate",
    "self_harm": "self-harm",
    "illegal": "illegal acts",
    "public_figure": "real people",
    "adversarial": "texts that were made to slip past the rules",
}


def _is_minor_and_sexual(hits: Iterable[Hit]) -> bool:
    return {MINOR, SEXUAL} <= {hit.category for hit in hits}


def _signs(hits: Iterable[Hit]) -> Iterable[Sign]:
    known = list(hits)
    for category in CATEGORIES:
        own = [hit for hit in known if hit.category == category]
        if any(hit.score for hit in own):
            named = max(own, key=lambda hit: hit.score)
            words = "" if named.shown == SLUR.text else named.shown
            yield Sign(category, _sum(own), f"lexicon:{category}:{named.shown}", words)


def _sum(own: Sequence[Hit]) -> float:
    full = sum(hit.score for hit in own if not hit.lowered)
    return min(1.0, full + max((hit.score for hit in own if hit.lowered), default=0.0))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
