"""The prompt screen: read, match, weigh. It assesses, the policy decides; what goes wrong in it is a block."""

import hashlib
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from shared.safety.blocklist import Blocklist, Term, read_blocklist
from shared.safety.disguises import spelled
from shared.safety.entities import read_figures
from shared.safety.evidence import Evidence, Tools, examine
from shared.safety.garbled import open_garbled
from shared.safety.gazetteer import singulars
from shared.safety.heads import Heads
from shared.safety.lexicon import Lexicon
from shared.safety.lookalikes import look_alikes, normalise
from shared.safety.policy import OperatorPolicy, Policy, decide, read_policy
from shared.safety.tensors import version_of
from shared.safety.verdict import MINOR, MINOR_RULE, Assessment, Sign, Verdict, strongest
from shared.safety.vocabulary import Vocabulary, read_vocabulary

WEIGHTS = Path(__file__).parent / "weights"


class PromptScreen:
    """`rules` is the operator's policy; a screen made without asking for another decides by it."""

    def __init__(
        self,
        blocklist: Blocklist,
        rules: OperatorPolicy,
        vocabulary: Vocabulary,
        tools: Tools,
        *,
        version: str,
    ) -> None:
        """`version` names the weights that `vocabulary` and `tools` hold."""
        self._blocklist = blocklist
        self._vocabulary = vocabulary
        self._lexicon = Lexicon(blocklist, vocabulary)
        self._tools = tools
        self.rules = rules
        self.version = f"{blocklist.policy}+weights-{version}"

    def without_heads(self) -> "PromptScreen":
        """The same rules without the trained heads: to see what the words alone say."""
        tools = replace(self._tools, heads=None)
        return PromptScreen(self._blocklist, self.rules, self._vocabulary, tools, version="words")

    def screen(
        self, texts: Sequence[str], *, negative: Sequence[str] = (), policy: Policy | None = None
    ) -> Verdict:
        return decide(self.assess(texts, negative=negative), policy or self.rules.policy)

    def assess(
        self, texts: Sequence[str], *, negative: Sequence[str] = (), extra: Sequence[Term] = ()
    ) -> Assessment:
        """What the texts show one by one and together. Never raises.

        `texts` are all that a model will read: prompt, weighted parts, style names, expanded and remixed
        text. `negative` is what --no names; `extra` are a server's own terms, matched like listed ones.
        """
        try:
            return self._assess(tuple(texts), tuple(negative), tuple(extra))
        except Exception as error:  # fail closed: no answer is a no
            return Assessment((), self.version, _digest(""), failed=type(error).__name__)

    def evidence(self, text: str) -> Evidence:
        """What one text shows, with every way it was read. Raises where `assess` answers no."""
        return examine(text, self._lexicon, self._tools)

    def _assess(
        self, texts: tuple[str, ...], negative: tuple[str, ...], extra: tuple[Term, ...]
    ) -> Assessment:
        lexicon = self._lexicon.extended(extra)
        unwanted = [f"no {item}" for item in negative if not self._is_declined(item)]
        whole = " ".join((*texts, *unwanted))
        asked = dict.fromkeys((whole, *texts, *unwanted))
        found = [examine(text, lexicon, self._tools) for text in asked]
        digest = _digest(normalise(" ".join((*texts, *(f"no {item}" for item in negative)))))
        hard = any(evidence.sexual and evidence.minor for evidence in found)
        return Assessment(
            strongest(sign for evidence in found for sign in evidence.signs),
            self.version + _version_of(extra),
            digest,
            hard=Sign(MINOR, 1.0, MINOR_RULE) if hard else None,
        )

    def _is_declined(self, item: str) -> bool:
        return any(form in self._blocklist.declined for form in singulars(spelled(item)))


def open_screen(
    blocklist: Path, policy: Path, *, figures: Path | None = None, weights: Path = WEIGHTS
) -> PromptScreen:
    """Fault when a file of it is missing or cannot be used: no screen, no service.

    Opened again, unchanged files are not read anew: their automata take a third of a second.
    """
    look_alikes()  # reads its tables now, so that no prompt waits for them
    files = (blocklist, policy, *([figures] if figures else []), *sorted(weights.glob("*")))
    return copy(_opened(blocklist, policy, figures, weights, tuple(map(_stamp, files))))


def _stamp(file: Path) -> tuple[int, int] | None:
    """What differs when a file was changed. None for one that is not there."""
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


@lru_cache(maxsize=2)
def _opened(
    blocklist: Path, policy: Path, figures: Path | None, weights: Path, stamps: tuple[object, ...]
) -> PromptScreen:
    return PromptScreen(
        read_blocklist(blocklist),
        read_policy(policy),
        read_vocabulary(weights),
        Tools(read_figures(figures), open_garbled(weights), Heads.load(weights)),
        version=f"{version_of(weights, 'garbled')}{version_of(weights, 'heads')}",
    )


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


def _version_of(extra: Sequence[Term]) -> str:
    if not extra:
        return ""
    named = "\n".join(sorted(f"{term.category} {term.strength} {term.text}" for term in extra))
    return f"+terms-{_digest(named)[:8]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
