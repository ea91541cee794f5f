"""Which words the postcard model knows."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from farm.postcards import captions

GLUE = frozenset(
    {"the", "a", "an", "with", "and", "under", "of", "in", "on", "at", "by", "is", "there", "no"}
    | {"to", "from", "over", "near", "some", "one", "two", "three", "1", "2", "3"}
    | {"its", "it", "this", "that"}
)
EXAMPLES: tuple[str, ...] = (
    "a red sailboat on the sea at sunset, two birds",
    "a blue house in the snow at night with stars",
    "a pink castle in the desert at dawn",
    "an orange cat in a meadow by day under a rainbow",
    "a yellow rocket in the city at night, crescent moon",
    "a white lighthouse by the sea at night, stars",
    "a purple whale on the sea by day with clouds",
    "a green robot in the city in the evening, heavy rain",
    "a hot air balloon among the dunes at sunrise, three birds",
    "a crimson mushroom on the grass at noon, the sun",
    "a steam train in winter at dusk, white clouds",
    "an emerald windmill in a field at sunset with a flock of birds",
)
_WORD = re.compile(r"[^\W\d_]+|\d+")


@cache
def known_words() -> frozenset[str]:
    """Every word that the training captions use, and the glue between them."""
    return GLUE | frozenset(word for phrase in phrases() for word in words_of(phrase))


def unknown_words(text: str) -> tuple[str, ...]:
    """The words of `text` that training never used, in order and once each."""
    words = dict.fromkeys(words_of(text))
    return tuple(word for word in words if word not in known_words())


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def phrases() -> Iterator[str]:
    tables: Iterable[Iterable[tuple[str, ...]]] = (
        captions.SUBJECT_WORDS.values(),
        captions.COLOUR_WORDS.values(),
        captions.GROUND_PHRASES.values(),
        captions.GROUND_TAGS.values(),
        captions.TIME_PHRASES.values(),
        captions.TIME_TAGS.values(),
        captions.EXTRA_PHRASES.values(),
        captions.BIRD_PHRASES.values(),
    )
    for table in tables:
        for row in table:
            yield from row
    yield from captions.PRAISE
    yield from captions.OPENINGS
    yield from captions.CLOSINGS
