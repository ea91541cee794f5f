"""What one text shows: signs by category, and whether it speaks of a minor and of anything sexual. Pure."""

import codecs
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.safety.decoding import without_codes
from shared.safety.disguises import LEET, Reading
from shared.safety.entities import DECEPTION, HARMED, NAMED, Figures
from shared.safety.garbled import Garbled, readable
from shared.safety.injection import injections
from shared.safety.lexicon import SLUR, Hit, Lexicon, Seen, find
from shared.safety.lookalikes import dressed
from shared.safety.minors import shows_age
from shared.safety.spelling import TYPO
from shared.safety.verdict import (
    ADVERSARIAL,
    CATEGORIES,
    GORE,
    HATE,
    MINOR,
    PUBLIC_FIGURE,
    SEXUAL,
    Sign,
)
from shared.safety.windows import windows

HARMFUL = frozenset({SEXUAL, GORE, HATE})
# With a minor in the text, a head's doubt is enough (docs/safety.md has the false positives it costs).
SUSPECTED = 0.5
DECODED, TWICE = 0.5, 0.65  # a readable text in a code; in a code inside a code
# Kind of dressing: the share of letters from which on it is no accident, and what it counts then.
DRESSINGS = {
    "invisible": (0.1, 0.65),
    "mixed": (0.15, 0.65),
    "marks": (0.3, 0.62),
    "styled": (0.3, 0.5),
}


class Heads(Protocol):
    """The trained heads. `windows` are spelled words; one answer of scores 0..1 a window."""

    def scores(self, windows: Sequence[str]) -> list[dict[str, float]]: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """All that reading takes besides the list of words."""

    figures: Figures
    garbled: Garbled
    heads: Heads | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    signs: tuple[Sign, ...]
    seen: Seen

    @property
    def sexual(self) -> bool:
        """A listed word of any strength, a term for minors that is sexual by itself, or a head's doubt."""
        hit = any(
            hit.category == SEXUAL or (hit.category == MINOR and hit.score)
            for hit in self.seen.hits
        )
        return hit or any(
            sign.category == SEXUAL and sign.score >= SUSPECTED for sign in self.signs
        )

    @property
    def minor(self) -> bool:
        listed = any(hit.category == MINOR for hit in self.seen.hits)
        return listed or any(map(shows_age, _lines(self.seen.readings)))


def examine(text: str, lexicon: Lexicon, tools: Tools) -> Evidence:
    seen = find(text, lexicon)
    signs = [
        *_listed(seen.hits),
        *_hidden(seen.hits),
        *_dressings(text, seen.readings),
        *_injected(seen.readings),
        *_named(seen, tools.figures),
        *_garbled(seen, tools.garbled),
        *(_felt(seen, tools.heads) if tools.heads is not None else ()),
    ]
    return Evidence(tuple(signs), seen)


def _listed(hits: Sequence[Hit]) -> Iterator[Sign]:
    for category in CATEGORIES:
        own = [hit for hit in hits if hit.category == category]
        if any(hit.score for hit in own):
            named = max(own, key=lambda hit: hit.score)
            words = "" if named.shown == SLUR.text else named.shown
            yield Sign(category, _sum(own), f"lexicon:{category}:{named.shown}", words)


def _sum(own: Sequence[Hit]) -> float:
    full = sum(hit.score for hit in own if not hit.lowered)
    return min(1.0, full + max((hit.score for hit in own if hit.lowered), default=0.0))


def _hidden(hits: Iterable[Hit]) -> Iterator[Sign]:
    """A listed word in disguise counts as what it is; that it was in disguise is a sign by itself."""
    for hit in hits:
        if hit.kind not in ("", TYPO) and hit.score:
            yield Sign(ADVERSARIAL, DECODED, f"disguise:{hit.kind}")


def _dressings(text: str, readings: Iterable[Reading]) -> Iterator[Sign]:
    for kind, share in dressed(text).items():
        least, score = DRESSINGS[kind]
        if share >= least:
            yield Sign(ADVERSARIAL, score, f"disguise:{kind}")
    for kind in {reading.code for reading in readings if reading.code}:
        yield Sign(ADVERSARIAL, TWICE if "+" in kind else DECODED, f"disguise:{kind}")


def _injected(readings: Iterable[Reading]) -> Iterator[Sign]:
    for line in _lines(readings):
        for name, score in injections(line):
            yield Sign(ADVERSARIAL, score, f"injection:{name}")


def _named(seen: Seen, figures: Figures) -> Iterator[Sign]:
    for reading in seen.readings:
        if name := figures.named(reading):
            harmed = DECEPTION.intersection(seen.readings[0].words) or any(
                hit.category in HARMFUL for hit in seen.hits
            )
            score = HARMED if harmed else NAMED
            yield Sign(PUBLIC_FIGURE, score, f"figure:{'harmed' if harmed else 'named'}", name)
            return


def _garbled(seen: Seen, garbled: Garbled) -> Iterator[Sign]:
    """Of the text and of what its codes hold; what is ordinary once its leet is undone is no garbage."""
    for reading in seen.readings:
        if reading.text:
            score = garbled.score(readable(without_codes(reading.text)))
            if score >= DECODED:
                score = min([score, *(garbled.score(line) for line in _unleeted(seen, reading))])
            yield Sign(ADVERSARIAL, score, "garbled:window")


def _unleeted(seen: Seen, reading: Reading) -> Iterator[str]:
    kind = f"{reading.kind}+{LEET}" if reading.kind else LEET
    return (" ".join(other.words) for other in seen.readings if other.kind == kind)


def _felt(seen: Seen, heads: Heads) -> Iterator[Sign]:
    asked = dict.fromkeys(window for words in seen.plain for window in windows(words))
    for scores in heads.scores(list(asked)):
        for category, score in scores.items():
            if not math.isfinite(score):
                raise ValueError(f"the head for {category} gave no number")
            yield Sign(category, score, f"head:{category}")


def _lines(readings: Iterable[Reading]) -> Iterator[str]:
    for reading in readings:
        yield reading.line
        if not reading.kind:
            yield reading.line[::-1]
            yield f" {' '.join(word[::-1] for word in reading.words)} "
            yield codecs.encode(reading.line, "rot13")
