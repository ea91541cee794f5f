"""The prompt screen's list, read and checked: a list that cannot match is refused at the start."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Fault, Refusal
from shared.safety.disguises import spelled

SEXUAL, MINOR = "sexual", "minor"
CATEGORIES = (SEXUAL, MINOR, "gore", "hate", "self_harm", "illegal")
OWN_CATEGORIES = (*CATEGORIES, "public_figure", "adversarial")  # of terms that moderators add
OWN_STRENGTHS = ("explicit", "strong", "weak")
# `terms` (minors) score nothing alone; the hard rule reads them.
SCORES = {"explicit": 1.0, "inside": 1.0, "strong": 1.0, "weak": 0.5, "terms": 0.0}
LONGEST_PHRASE = 6
SHORTEST_TERM = 3
HARMLESS, DECLINED, INNOCENT = "harmless", "declined", "innocent"


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    category: str
    strength: str

    @property
    def score(self) -> float:
        return SCORES[self.strength]


@dataclass(frozen=True, slots=True)
class Blocklist:
    """`terms` and `harmless` by their normalised phrase, `hashed` by the SHA-256 of a word."""

    policy: str
    terms: Mapping[str, Term]
    hashed: Mapping[str, Term]
    harmless: frozenset[str]
    innocent: frozenset[str]  # words that are no misspelling of a listed one
    declined: frozenset[str]
    context: Mapping[str, frozenset[str]]


def own_term(text: str, category: str, strength: str = "strong") -> Term:
    """A term that a server's moderators add. Refusal when it could never match, or matches too much."""
    words = spelled(text)
    if category not in OWN_CATEGORIES:
        sentence = f"There is no category {category!r}. There are: {', '.join(OWN_CATEGORIES)}."
        raise Refusal("unknown_category", sentence, field="category")
    if strength not in OWN_STRENGTHS:
        sentence = f"A term is one of: {', '.join(OWN_STRENGTHS)}; not {strength!r}."
        raise Refusal("unknown_strength", sentence, field="strength")
    if len(words) < SHORTEST_TERM or len(words.split()) > LONGEST_PHRASE:
        sentence = f"A term has one to {LONGEST_PHRASE} words and at least {SHORTEST_TERM} letters."
        raise Refusal("term_unusable", sentence, field="term")
    return Term(words, category, "terms" if category == MINOR else strength)


def read_blocklist(path: Path) -> Blocklist:
    """Fault when the file is missing, malformed, lacks a category or holds what cannot match."""
    try:
        content = path.read_bytes()
        return _blocklist(tomllib.loads(content.decode()), hashlib.sha256(content).hexdigest())
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The blocklist {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("blocklist_unreadable", sentence) from error


def _blocklist(raw: Mapping[str, Any], digest: str) -> Blocklist:
    stray = set(raw) - {*CATEGORIES, HARMLESS, DECLINED, INNOCENT}
    _require(not stray, f"unknown entries: {', '.join(sorted(stray))}")
    terms = {term.text: term for category in CATEGORIES for term in _terms(category, raw[category])}
    return Blocklist(
        policy=f"words-{digest[:16]}",
        terms=terms,
        hashed={word: Term(word, "hate", "explicit") for word in raw["hate"].get("hashed", [])},
        harmless=frozenset(map(_checked, raw[HARMLESS])),
        innocent=frozenset(map(_checked, raw[INNOCENT])),
        declined=frozenset(map(_checked, raw[DECLINED])),
        context={category: _context(raw[category]) for category in CATEGORIES},
    )


def _terms(category: str, lists: Mapping[str, list[str]]) -> Iterator[Term]:
    found = False
    for strength, phrases in lists.items():
        _require(isinstance(phrases, list), f"{category}: {strength} must be a list")
        if strength in ("hashed", "context"):
            continue
        _require(strength in SCORES, f"{category}: unknown strength {strength}")
        for phrase in phrases:
            found = True
            yield Term(_checked(phrase), category, strength)
    _require(found, f"{category} is empty")


def _context(lists: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset(map(_checked, lists.get("context", [])))


def _checked(phrase: str) -> str:
    """As it is matched: terms in other scripts are written as people write them."""
    plain = spelled(phrase)
    held = plain == phrase != "" or (plain != "" and not phrase.isascii())
    _require(held, f"{phrase!r} would never match; write plain words")
    _require(
        len(phrase.split()) <= LONGEST_PHRASE, f"{phrase!r} is longer than {LONGEST_PHRASE} words"
    )
    return plain


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)
