"""The prompt screen's list, read and checked: a list that cannot match is refused at the start."""

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Fault
from shared.safety.disguises import spelled

SEXUAL, MINOR = "sexual", "minor"
CATEGORIES = (SEXUAL, MINOR, "gore", "hate", "self_harm", "illegal")
# `terms` (minors) score nothing alone; the hard rule reads them.
SCORES = {"explicit": 1.0, "inside": 1.0, "strong": 1.0, "weak": 0.5, "terms": 0.0}
LONGEST_PHRASE = 6
HARMLESS, DECLINED = "harmless", "declined"


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
    declined: frozenset[str]
    context: Mapping[str, frozenset[str]]
    reach: Mapping[str, int]  # first word of any phrase above -> words of the longest such phrase
    inside: tuple[str, ...]  # terms that are looked for inside longer words too


def read_blocklist(path: Path) -> Blocklist:
    """Fault when the file is missing, malformed, lacks a category or holds what cannot match."""
    try:
        content = path.read_bytes()
        return _blocklist(tomllib.loads(content.decode()), hashlib.sha256(content).hexdigest())
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        sentence = f"The blocklist {path} cannot be used: {type(error).__name__}: {error}."
        raise Fault("blocklist_unreadable", sentence) from error


def _blocklist(raw: Mapping[str, Any], digest: str) -> Blocklist:
    stray = set(raw) - {*CATEGORIES, HARMLESS, DECLINED}
    _require(not stray, f"unknown entries: {', '.join(sorted(stray))}")
    terms = {term.text: term for category in CATEGORIES for term in _terms(category, raw[category])}
    harmless = frozenset(map(_checked, raw[HARMLESS]))
    return Blocklist(
        policy=f"words-{digest[:16]}",
        terms=terms,
        hashed={word: Term(word, "hate", "explicit") for word in raw["hate"].get("hashed", [])},
        harmless=harmless,
        declined=frozenset(map(_checked, raw[DECLINED])),
        context={category: _context(raw[category]) for category in CATEGORIES},
        reach=_reach([*terms, *harmless]),
        inside=tuple(word for word, term in terms.items() if term.strength == "inside"),
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


def _reach(phrases: Iterable[str]) -> dict[str, int]:
    reach: dict[str, int] = {}
    for phrase in phrases:
        first, *more = phrase.split()
        reach[first] = max(reach.get(first, 0), 1 + len(more))
    return reach


def _context(lists: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset(map(_checked, lists.get("context", [])))


def _checked(phrase: str) -> str:
    _require(spelled(phrase) == phrase != "", f"{phrase!r} would never match; write plain words")
    _require(
        len(phrase.split()) <= LONGEST_PHRASE, f"{phrase!r} is longer than {LONGEST_PHRASE} words"
    )
    return phrase


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)
