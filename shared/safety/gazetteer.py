"""Terms in a line of words: one pass over it, whole words only, forwards, backwards and in rot13. Pure."""

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ahocorasick

from shared.safety.blocklist import Term
from shared.safety.vocabulary import NO_WORDS, Vocabulary

SHORTEST_CODED = 4  # letters of a term that is looked for backwards and in rot13
SHORTEST_INSIDE = 4
FIRST_UNSPACED = "\u2e80"  # scripts from here on put no spaces between words
REVERSED, ROT13 = "reversed", "rot13"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one key of the automaton stands for: a term, or a harmless phrase, or a context."""

    term: Term | None = None
    kind: str = ""
    contexts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    term: Term
    kind: str  # "" as written, else REVERSED or ROT13
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Findings:
    """`contexts`: the categories whose context the line speaks of; `harmless` where its idioms stand."""

    matches: tuple[Match, ...]
    contexts: frozenset[str]
    harmless: tuple[tuple[int, int], ...]


class Gazetteer:
    """What `vocabulary` holds is no term that was written backwards (lana, neet)."""

    def __init__(
        self,
        terms: Iterable[Term],
        *,
        harmless: Iterable[str] = (),
        context: Mapping[str, Iterable[str]] | None = None,
        vocabulary: Vocabulary = NO_WORDS,
    ) -> None:
        listed = list(terms)
        entries: dict[str, list[Entry]] = {}
        keys = [(key, Entry(term, kind)) for term in listed for key, kind in _keys(term)]
        strange = vocabulary.strangers(key.strip() for key, entry in keys if entry.kind)
        for key, entry in keys:
            if not entry.kind or key.strip() in strange:
                entries.setdefault(key, []).append(entry)
        for phrase in harmless:
            for form in plurals(phrase):
                entries.setdefault(f" {form} ", []).append(Entry())
        for word, categories in _by_word(context or {}).items():
            for form in plurals(word):
                entries.setdefault(f" {form} ", []).append(Entry(contexts=categories))
        self._automaton = _automaton(entries)
        self._inside = _automaton(
            {
                joined: [Entry(term)]
                for term in listed
                if len(joined := term.text.replace(" ", "")) >= SHORTEST_INSIDE
            }
        )

    def find(self, line: str) -> Findings:
        """`line` has one space between words, before the first and after the last."""
        matches, harmless, contexts = [], [], set[str]()
        for end, (width, entries) in _iterate(self._automaton, line):
            start = end + 1 - width
            inner = (start + 1, end) if line[start] == " " else (start, end + 1)
            for entry in entries:
                if entry.term is not None:
                    matches.append(Match(entry.term, entry.kind, *inner))
                elif entry.contexts:
                    contexts |= entry.contexts
                else:
                    harmless.append(inner)
        kept = tuple(match for match in matches if not _overlaps(match, harmless))
        return Findings(kept, frozenset(contexts), tuple(harmless))

    def inside(self, word: str) -> Iterator[tuple[Term, int, int]]:
        """(term, start, end) of the terms that stand anywhere in a word."""
        for end, (width, entries) in _iterate(self._inside, word):
            for entry in entries:
                if entry.term is not None:
                    yield entry.term, end + 1 - width, end + 1


def plurals(phrase: str) -> Iterator[str]:
    yield phrase
    yield f"{phrase}s"
    yield f"{phrase}es"


def singulars(phrase: str) -> Iterator[str]:
    yield phrase
    if phrase.endswith("s"):
        yield phrase[:-1]
    if phrase.endswith("es"):
        yield phrase[:-2]


def _keys(term: Term) -> Iterator[tuple[str, str]]:
    """(key, kind). Spaces around a key are its word boundaries; `inside` terms do without."""
    for form in plurals(term.text):
        yield f" {form} ", ""
        if len(form.replace(" ", "")) >= SHORTEST_CODED and form.isascii():
            yield from ((f" {coded} ", kind) for coded, kind in _coded(form))
    if term.strength == "inside":
        yield term.text, ""
        yield from _coded(term.text)
    elif any(mark >= FIRST_UNSPACED for mark in term.text):
        yield term.text, ""


def _coded(form: str) -> Iterator[tuple[str, str]]:
    backwards = form[::-1]
    if backwards != form:
        yield backwards, REVERSED
    if " " in form:
        yield " ".join(word[::-1] for word in form.split()), REVERSED
    yield codecs.encode(form, "rot13"), ROT13


def _by_word(context: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    speaks: dict[str, set[str]] = {}
    for category, words in context.items():
        for word in words:
            speaks.setdefault(word, set()).add(category)
    return {word: frozenset(categories) for word, categories in speaks.items()}


def _automaton(entries: Mapping[str, Sequence[Entry]]) -> "ahocorasick.Automaton":
    automaton = ahocorasick.Automaton()
    for key, meanings in entries.items():
        automaton.add_word(key, (len(key), tuple(meanings)))
    if entries:
        automaton.make_automaton()
    return automaton


def _iterate(
    automaton: "ahocorasick.Automaton", text: str
) -> Iterator[tuple[int, tuple[int, tuple[Entry, ...]]]]:
    if len(automaton):
        yield from automaton.iter(text)


def _overlaps(match: Match, spans: Iterable[tuple[int, int]]) -> bool:
    return any(match.start < end and start < match.end for start, end in spans)
