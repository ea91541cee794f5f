"""Terms of the blocklist in a text, through its disguises, with word boundaries and context. Pure."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.safety.blocklist import MINOR, Blocklist, Term
from shared.safety.disguises import Reading, readings

LOWERED = 0.5
DISGUISED = 0.75  # the least that a hidden word counts: nobody hides a harmless one
SHORTEST_INSIDE = 4
SHORTEST_SLUR = 4
SLUR = Term("a-slur", "hate", "explicit")
BARRIER = "\0"
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen"
)
_MINOR_NUMBER = rf"(?:0?[1-9]|1[0-7]|{'|'.join(_NUMBERS.split())})"
_AGE = re.compile(
    rf"\b{_MINOR_NUMBER} ?(?:years?|yrs?|y) ?(?:old|olds|o)\b|\bage[ds]? (?:of )?{_MINOR_NUMBER}\b"
    r"|\b\w+ (?:months?|weeks?|days?) old\b|\bunder (?:18|eighteen)\b"
    r"|\b(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
    r"|eleventh|twelfth) grade(?:r|rs)?\b"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """`lowered` ones were halved by context; they do not add up among themselves."""

    category: str
    score: float
    shown: str
    lowered: bool = False


def find(text: str, blocklist: Blocklist) -> list[Hit]:
    """One hit a term; what only a disguise hid weighs more, and no context lowers it."""
    found: dict[str, Hit] = {}
    lowered: frozenset[str] = frozenset()
    for reading in readings(text):
        words = _without_harmless(reading.words, blocklist)
        if not reading.disguised:
            lowered = _lowered(words, blocklist)
        for term in _terms(reading, words, blocklist):
            found.setdefault(term.text, _hit(term, disguised=reading.disguised, lowered=lowered))
        if _AGE.search(" ".join(words)):
            found.setdefault("age", Hit(MINOR, 0.0, "age"))
    return list(found.values())


def _hit(term: Term, *, disguised: bool, lowered: frozenset[str]) -> Hit:
    score = term.score
    if disguised and score:
        score = max(score, DISGUISED)
    elif term.category in lowered and term.strength in ("strong", "weak"):
        return Hit(term.category, score * LOWERED, term.text, lowered=True)
    return Hit(term.category, score, term.text)


def _terms(reading: Reading, words: list[str], blocklist: Blocklist) -> Iterator[Term]:
    for start, word in enumerate(words):
        for length in range(1, _reach(word, blocklist) + 1):
            yield from _listed(" ".join(words[start : start + length]), blocklist)
    for word in set(words):
        yield from _slur(word, blocklist)
        yield from _hidden_in(word, blocklist)
        if reading.joined:
            yield from _inside(word, blocklist)


def _reach(word: str, blocklist: Blocklist) -> int:
    """How many words a phrase that begins with this one may have; 0 where none begins so."""
    return max(blocklist.reach.get(form, 0) for form in singulars(word))


def _listed(phrase: str, blocklist: Blocklist) -> Iterator[Term]:
    for form in singulars(phrase):
        if form in blocklist.terms:
            yield blocklist.terms[form]
            return


def _slur(word: str, blocklist: Blocklist) -> Iterator[Term]:
    if len(word) < SHORTEST_SLUR:
        return
    for form in singulars(word):
        if hashlib.sha256(form.encode()).hexdigest() in blocklist.hashed:
            yield SLUR


def singulars(phrase: str) -> Iterator[str]:
    yield phrase
    if phrase.endswith("s"):
        yield phrase[:-1]
    if phrase.endswith("es"):
        yield phrase[:-2]


def _inside(word: str, blocklist: Blocklist) -> Iterator[Term]:
    """In `n u d e  g i r l` the words have run together: a term may stand anywhere."""
    for text, term in blocklist.terms.items():
        joined = text.replace(" ", "")
        if len(joined) >= SHORTEST_INSIDE and joined in word:
            yield term


def _hidden_in(word: str, blocklist: Blocklist) -> Iterator[Term]:
    """`p*rn` by its visible letters, and `inside` terms wherever they stand."""
    if "*" in word or "#" in word:
        yield from _starred(word, blocklist)
    for text in blocklist.inside:
        if text in word:
            yield blocklist.terms[text]


def _starred(word: str, blocklist: Blocklist) -> Iterator[Term]:
    letters = sum(mark.isalpha() for mark in word)
    if letters < 2 or letters * 2 < len(word) or not word[0].isalpha():
        return
    pattern = re.compile(re.sub(r"\\\*|\\#", ".", re.escape(word)))
    for text, term in blocklist.terms.items():
        if pattern.fullmatch(text):
            yield term


def _without_harmless(words: tuple[str, ...], blocklist: Blocklist) -> list[str]:
    """The words with each harmless phrase taken out, the longest first."""
    kept: list[str] = []
    index = 0
    while index < len(words):
        length = _harmless_length(words, index, blocklist)
        kept.append(BARRIER if length else words[index])
        index += length or 1
    return kept


def _harmless_length(words: tuple[str, ...], start: int, blocklist: Blocklist) -> int:
    for length in range(_reach(words[start], blocklist), 1, -1):
        phrase = " ".join(words[start : start + length])
        if any(form in blocklist.harmless for form in singulars(phrase)):
            return len(words[start : start + length])
    return 0


def _lowered(words: Iterable[str], blocklist: Blocklist) -> frozenset[str]:
    """The categories whose context the prompt speaks of."""
    forms = {form for word in words for form in singulars(word)}
    return frozenset(category for category, context in blocklist.context.items() if forms & context)
