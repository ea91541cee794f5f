"""Prompts drawn from the seed corpus: patterns filled with words, a part of them dressed as users do."""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from farm.safety.training.rows import BENIGN, UNSAFE, Row
from shared.errors import Refusal

FILE = Path(__file__).parent / "seed.toml"
SOURCE = "seed corpus"
# Of a drawn prompt against a collected one. More of the unsafe ones would hide what users really write.
WEIGHTS = {UNSAFE: 0.1, BENIGN: 0.5}
_SLOT = re.compile(r"\{(\w+)\}")
_OPENED, _STYLED = 0.3, 0.35


def draw(path: Path, seed: int) -> list[Row]:
    """The same for the same file and seed. Refusal when a pattern names words that the file has not."""
    try:
        raw = tomllib.loads(path.read_text())
        return list(_drawn(raw, random.Random(seed)))
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        sentence = f"The seed corpus {path} cannot be used: {type(error).__name__}: {error}."
        raise Refusal("seed_corpus", sentence) from None


def _drawn(raw: Mapping[str, Any], chance: random.Random) -> Iterator[Row]:
    for label, weight in WEIGHTS.items():
        for number, block in enumerate(raw[label]):
            each = block.get("each", raw["each"])
            categories = frozenset([block["category"]] if label == UNSAFE else [])
            texts = [
                text for pattern in block["patterns"] for text in _fill(pattern, raw, each, chance)
            ]
            for index, text in enumerate(dict.fromkeys(texts)):
                yield Row(
                    f"seed-{label}-{number}-{index}",
                    _dressed(text, raw, chance),
                    label == UNSAFE,
                    categories,
                    SOURCE,
                    weight,
                )


def _fill(pattern: str, raw: Mapping[str, Any], each: int, chance: random.Random) -> list[str]:
    words: Mapping[str, Sequence[str]] = raw["words"]
    drawn = (
        _SLOT.sub(lambda slot: chance.choice(words[slot[1]]), pattern) for _ in range(2 * each)
    )
    return list(dict.fromkeys(drawn))[:each]


def _dressed(text: str, raw: Mapping[str, Any], chance: random.Random) -> str:
    if chance.random() < _OPENED:
        text = f"{chance.choice(raw['openings'])} {text}"
    if chance.random() < _STYLED:
        many = min(chance.choice((1, 1, 2, 3)), len(raw["styles"]))
        text = ", ".join([text, *chance.sample(raw["styles"], many)])
    return text
