"""Real people by an operator's list: a name is looked at, a name with harm in it is refused. Pure but for
the reader.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import OSA

from shared.errors import Fault
from shared.safety.blocklist import Term
from shared.safety.disguises import Reading, spelled
from shared.safety.gazetteer import Gazetteer
from shared.safety.verdict import PUBLIC_FIGURE

NAMED, HARMED = 0.65, 0.95  # in review by the shipped policy; refused by it
LONG_NAME = 5  # letters of a part of a name from which on one slip is forgiven
LONGEST_NAME = 5  # words
# What makes of a picture of somebody a lie about them. Sexual and gory words are the blocklist's.
_DECEPTION = """
fake faked deepfake forged doctored leaked scandal mugshot arrested arrest handcuffed handcuffs jail jailed
prison imprisoned convicted confessing confession bribe bribing bribed corrupt drunk cocaine heroin drugs
injecting dying dead dies corpse funeral coffin assassinated assassination shot shooting stabbed hanged
lynched executed execution surrender surrendering resigning kissing kiss bed undressed bikini underwear
pregnant humiliated endorsing endorses ballot rigged stealing nazi
"""
DECEPTION = frozenset(_DECEPTION.split())


@dataclass(frozen=True, slots=True)
class Figures:
    """`names` as lists of normalised words, by the first letters of the first two of them."""

    gazetteer: Gazetteer
    spellings: dict[tuple[str, ...], list[tuple[str, ...]]]

    def named(self, reading: Reading) -> str:
        """The listed name that the reading has, exactly or nearly; "" for none."""
        found = self.gazetteer.find(reading.line).matches
        return found[0].term.text if found else self._nearly(reading.words)

    def _nearly(self, words: tuple[str, ...]) -> str:
        for start in range(len(words) - 1):
            for name in self.spellings.get((words[start][0], words[start + 1][0]), ()):
                if _alike(words[start : start + len(name)], name):
                    return " ".join(name)
        return ""


def read_figures(path: Path | None) -> Figures:
    """One name a line, `#` begins a comment; other spellings of it are lines of their own.

    Fault when a file that was asked for cannot be read, or a line of it could never match. No path:
    nobody is listed.
    """
    if path is None:
        return figures_of(())
    try:
        lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise Fault("figures_unreadable", f"The list {path} cannot be read: {error}.") from error
    return figures_of(filter(None, lines))


def figures_of(names: Iterable[str]) -> Figures:
    spelt = {name: tuple(spelled(name).split()) for name in names}
    for name, words in spelt.items():
        if not 1 <= len(words) <= LONGEST_NAME:
            sentence = f"The public figure {name!r} would never match: one to five words."
            raise Fault("figures_unreadable", sentence)
    terms = [Term(" ".join(words), PUBLIC_FIGURE, "strong") for words in spelt.values()]
    spellings: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for words in spelt.values():
        if len(words) > 1:
            spellings.setdefault((words[0][0], words[1][0]), []).append(words)
    return Figures(Gazetteer(terms), spellings)


def _alike(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """Two slips in a whole name, and no more than one in a part of it."""
    if len(words) != len(name):
        return False
    slips = [
        OSA.distance(word, part, score_cutoff=1) for word, part in zip(words, name, strict=True)
    ]
    forgiven = all(
        slip == 0 or (slip == 1 and len(part) >= LONG_NAME)
        for slip, part in zip(slips, name, strict=True)
    )
    return forgiven and sum(slips) <= 2
