"""Listed words behind misspelling and masking: typos, doubled letters, dropped vowels, asterisks, words
cut in two or run together. Only what no dictionary holds is looked at, so that grape, sax and Essex
pass. Pure.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rapidfuzz import process
from rapidfuzz.distance import OSA

from shared.safety.blocklist import Term
from shared.safety.disguises import Reading
from shared.safety.gazetteer import Gazetteer
from shared.safety.vocabulary import Vocabulary

TYPO, MASKED = "typo", "masked"
FIRM = frozenset({"strong", "explicit", "inside"})
ONE_EDIT, TWO_EDITS = 5, 8  # letters of a word from which on so many slips are forgiven
SHORTEST = 4
SHORTEST_PHRASED = 3
FEWEST_CONSONANTS = 3
LONGEST = 24  # no listed word is longer, and what is costs time
_DOUBLED = re.compile(r"(.)\1+")
_VOWELS = re.compile(r"[aeiou]")
_MASK = re.compile(r"[^\W\d_]")
_WILD = "*#?_.-•·$%!+|@~^"


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the listed terms, as each slip looks for them. `firm` ones block by themselves."""

    by_letter: dict[str, list[str]]
    by_length: dict[int, list[str]]
    by_doubled: dict[str, str]
    by_consonants: dict[str, str]
    by_dropped: dict[str, str]  # short ones, without one vowel
    firm: frozenset[str]


class Spelling:
    def __init__(self, terms: Sequence[Term], vocabulary: Vocabulary, gazetteer: Gazetteer) -> None:
        self._vocabulary = vocabulary
        self._gazetteer = gazetteer
        self._words = _words(terms, vocabulary)

    def corrected(self, reading: Reading, strangers: frozenset[str]) -> Iterator[Reading]:
        """The reading with its strangers taken for the listed words that they nearly are."""
        slips = {word: listed for word in strangers if (listed := self._slip(word))}
        if slips:
            words = tuple(slips.get(word, word) for word in reading.words)
            yield Reading(words, f"{reading.kind}+{TYPO}" if reading.kind else TYPO)
        hidden = tuple(self._unmasked(reading, strangers))
        if hidden:
            yield Reading(hidden, f"{reading.kind}+{MASKED}" if reading.kind else MASKED)

    def _slip(self, word: str) -> str | None:
        """A typo or a doubled letter."""
        if not SHORTEST <= len(word) <= LONGEST or not word.isalpha():
            return self._words.by_dropped.get(word)
        single = _DOUBLED.sub(r"\1", word)
        if single != word and single in self._words.by_doubled:
            return self._words.by_doubled[single]
        return self._nearest(word)

    def _nearest(self, word: str) -> str | None:
        choices = self._words.by_letter.get(word[0], ())
        found = process.extractOne(word, choices, scorer=OSA.distance, score_cutoff=2)
        if found is None:
            return None
        listed, edits, _ = found
        swapped = len(listed) == SHORTEST and sorted(listed) == sorted(word) and edits == 1
        return listed if edits <= _forgiven(listed) or swapped else None

    def _unmasked(self, reading: Reading, strangers: frozenset[str]) -> Iterator[str]:
        """Listed words that were hidden on purpose; the rest of the text is left out."""
        for chunk in dict.fromkeys(reading.chunks):
            if len(chunk) <= LONGEST and not chunk.isalnum():
                yield from self._behind(chunk)
        for word in strangers:
            if len(word) >= FEWEST_CONSONANTS and not _VOWELS.search(word[1:]):
                yield from filter(None, [self._words.by_consonants.get(word)])
            yield from self._run_together(word)
        yield from self._cut(reading.words, strangers)

    def _behind(self, chunk: str) -> Iterator[str]:
        """`p*rn`, `n_de`, `*aked`: as many letters, and the visible ones agree."""
        letters = len(_MASK.findall(chunk))
        masks = [mark for mark in chunk if mark in _WILD]
        if letters + len(masks) != len(chunk) or not masks:
            return
        starred = "*" in masks and (letters >= 2 and letters * 2 >= len(chunk))
        if starred or letters >= FEWEST_CONSONANTS:
            for listed in self._words.by_length.get(len(chunk), ()):
                if all(a == b or b in _WILD for a, b in zip(listed, chunk, strict=True)):
                    yield listed

    def _run_together(self, word: str) -> Iterator[str]:
        """`nakedwoman`: a listed word at one end, ordinary ones for the rest."""
        if not SHORTEST + 3 <= len(word) <= LONGEST:
            return
        for term, start, end in self._gazetteer.inside(word):
            rest = word[:start] or word[end:]
            alone = not (word[:start] and word[end:])
            if term.strength in FIRM and alone and len(rest) >= 3 and self._vocabulary.knows(rest):
                yield term.text

    def _cut(self, words: Sequence[str], strangers: frozenset[str]) -> Iterator[str]:
        """`na ked`: two or three neighbours, not all of them words, that make a listed one."""
        for size in (2, 3):
            for start in range(len(words) - size + 1):
                parts = words[start : start + size]
                whole = "".join(parts)
                if whole in self._words.firm and strangers.intersection(parts):
                    yield whole


def _forgiven(listed: str) -> int:
    return (len(listed) >= ONE_EDIT) + (len(listed) >= TWO_EDITS)


def _words(terms: Sequence[Term], vocabulary: Vocabulary) -> Words:
    single = {term.text: term for term in terms if term.text.isalpha() and term.text.isascii()}
    long = {word: term for word, term in single.items() if len(word) >= SHORTEST}
    firm = frozenset(word for word, term in long.items() if term.strength in FIRM)
    # A word for minors weighs nothing alone, so that a guess at it costs nothing either.
    young = {word for word, term in long.items() if term.strength == "terms"}
    # Alone these say nothing, and a phrase needs all of its words.
    phrased = {word for term in terms if " " in term.text for word in term.text.split()}
    phrased = {word for word in phrased if word.isascii() and len(word) >= SHORTEST_PHRASED}
    return Words(
        by_letter=_grouped(
            {*long, *(word for word in phrased if len(word) >= SHORTEST)}, lambda word: word[0]
        ),
        by_length=_grouped({*firm, *young, *filter(_is_long, long)}, len),
        by_doubled={_DOUBLED.sub(r"\1", word): word for word in sorted({*firm, *young, *phrased})},
        by_consonants=dict(_skeletons({*firm, *young, *filter(_is_long, long)}, vocabulary)),
        by_dropped=dict(_shortened(word for word in firm if len(word) == SHORTEST)),
        firm=firm | young,
    )


def _shortened(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in sorted(words):
        for place in range(1, len(word) - 1):
            if _VOWELS.match(word[place]):
                yield word[:place] + word[place + 1 :], word


def _is_long(word: str) -> bool:
    return len(word) >= TWO_EDITS - 1


Key = TypeVar("Key")


def _grouped(words: Iterable[str], key: Callable[[str], Key]) -> dict[Key, list[str]]:
    groups: dict[Key, list[str]] = {}
    for word in sorted(words):
        groups.setdefault(key(word), []).append(word)
    return groups


def _skeletons(words: Iterable[str], vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """The consonants of each word, with and without a vowel in front."""
    for word in sorted(words):
        bare = _VOWELS.sub("", word)
        for consonants in {bare, word[0] + _VOWELS.sub("", word[1:])}:
            if FEWEST_CONSONANTS <= len(consonants) < len(word) and not vocabulary.knows(
                consonants
            ):
                yield consonants, word
