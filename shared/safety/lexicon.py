"""Terms of the blocklist in a text, through its disguises, with context. Pure."""

import codecs
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shared.safety.blocklist import SEXUAL, Blocklist, Term
from shared.safety.disguises import Reading, readings
from shared.safety.gazetteer import Gazetteer, singulars
from shared.safety.spelling import MASKED, TYPO, Spelling
from shared.safety.vocabulary import Vocabulary, hashed

LOWERED = 0.5
DISGUISED = 0.75  # the least that a hidden word counts: nobody hides a harmless one
SHORTEST_SLUR = 4
SLUR = Term("a-slur", "hate", "explicit")
EMOJI = Term("emoji", SEXUAL, "weak")
# Together they mean one thing; each alone is a vegetable, a fruit or rain.
_PAIRS = (("\U0001f346", "\U0001f351\U0001f4a6\U0001f445"), ("\U0001f351", "\U0001f4a6\U0001f445"))
_ADULTS_ONLY = "\U0001f51e"
SERVERS = 32  # that have terms of their own and are kept ready


@dataclass(frozen=True, slots=True)
class Hit:
    """`lowered` ones were halved by context; they do not add up among themselves."""

    category: str
    score: float
    shown: str
    lowered: bool = False
    kind: str = ""  # the disguise that hid it


@dataclass(frozen=True, slots=True)
class Seen:
    """One hit a term, and every line that was read: as written, decoded, corrected.

    `plain` are the words of each reading without harmless idioms: what the trained heads are asked about.
    """

    hits: tuple[Hit, ...]
    readings: tuple[Reading, ...]
    plain: tuple[tuple[str, ...], ...]


class Lexicon:
    def __init__(
        self, blocklist: Blocklist, vocabulary: Vocabulary, extra: Sequence[Term] = ()
    ) -> None:
        terms = [*blocklist.terms.values(), *extra]
        ordinary = vocabulary.but(hashed(term.text) for term in terms).plus(blocklist.innocent)
        self.hashed = {bytes.fromhex(word): term for word, term in blocklist.hashed.items()}
        self.vocabulary = ordinary
        self.gazetteer = Gazetteer(
            terms,
            harmless=blocklist.harmless,
            context=blocklist.context,
            vocabulary=ordinary,
        )
        self.spelling = Spelling(terms, ordinary, self.gazetteer)
        self._parts = blocklist, vocabulary
        self._with = lru_cache(SERVERS)(self._extended)

    def extended(self, extra: Sequence[Term]) -> "Lexicon":
        """This one and a server's own terms."""
        return self._with(tuple(extra)) if extra else self

    def _extended(self, extra: tuple[Term, ...]) -> "Lexicon":
        return Lexicon(*self._parts, extra)


def find(text: str, lexicon: Lexicon) -> Seen:
    """What only a disguise hid weighs more, and no context lowers it."""
    found: dict[str, Hit] = {}
    read: list[Reading] = []
    plain: list[tuple[str, ...]] = []
    lowered: frozenset[str] = frozenset()
    for reading, strangers in _all_readings(text, lexicon):
        seen = lexicon.gazetteer.find(reading.line)
        if not read:
            lowered = seen.contexts
        read.append(reading)
        if not (reading.joined or reading.kind.endswith(MASKED)):
            plain.append(_without(reading, seen.harmless))
        for match in seen.matches:
            kind = match.kind or reading.kind
            found.setdefault(match.term.text, _hit(match.term, kind=kind, lowered=lowered))
        for term in _others(reading, strangers, lexicon):
            found.setdefault(term.text, _hit(term, kind=reading.kind, lowered=lowered))
    if _winks(text):
        found.setdefault(EMOJI.text, _hit(EMOJI, kind="", lowered=lowered))
    return Seen(tuple(found.values()), tuple(read), tuple(dict.fromkeys(plain)))


def _without(reading: Reading, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """The words outside of the spans. A blood orange is no blood, and a head is not asked about it."""
    if not spans:
        return reading.words
    line = reading.line
    for start, end in spans:
        line = line[:start] + " " * (end - start) + line[end:]
    return tuple(line.split())


def _all_readings(text: str, lexicon: Lexicon) -> Iterator[tuple[Reading, frozenset[str]]]:
    """Each reading and which of its words no dictionary holds."""
    for reading in readings(text):
        strangers = lexicon.vocabulary.strangers(reading.words)
        yield reading, strangers
        if not reading.joined:
            for corrected in lexicon.spelling.corrected(reading, strangers):
                yield corrected, frozenset()


def _hit(term: Term, *, kind: str, lowered: frozenset[str]) -> Hit:
    """A typo is no disguise: people make them."""
    score = term.score
    if kind not in ("", TYPO) and score:
        return Hit(term.category, max(score, DISGUISED), term.text, kind=kind)
    if term.category in lowered and term.strength in ("strong", "weak"):
        return Hit(term.category, score * LOWERED, term.text, lowered=True, kind=kind)
    return Hit(term.category, score, term.text, kind=kind)


def _others(reading: Reading, strangers: frozenset[str], lexicon: Lexicon) -> Iterator[Term]:
    coded = {form for word in strangers for form in (word[::-1], codecs.encode(word, "rot13"))}
    if any(_is_slur(word, lexicon) for word in coded.union(reading.words)):
        yield SLUR
    if reading.joined:
        for word in reading.words:
            yield from (term for term, _, _ in lexicon.gazetteer.inside(word))


def _is_slur(word: str, lexicon: Lexicon) -> bool:
    return len(word) >= SHORTEST_SLUR and any(
        hashlib.sha256(form.encode(errors="replace")).digest() in lexicon.hashed
        for form in singulars(word)
    )


def _winks(text: str) -> bool:
    if text.isascii():
        return False
    pairs = any(one in text and any(mark in text for mark in others) for one, others in _PAIRS)
    return pairs or _ADULTS_ONLY in text
