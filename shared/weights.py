"""`::` splits a prompt's text into parts, each with an optional weight. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import Refusal
from shared.marks import escaped, literal, plain, shown

MOST_PARTS = 16
HEAVIEST = 100.0
LIGHTEST = 1e-6  # of the sum; less is a rounding of 0
_WEIGHT = re.compile(r"(-?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15}))?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class WeightedText:
    text: str
    weight: float = 1.0


def read_texts(head: str, *, position: int = 1) -> tuple[WeightedText, ...]:
    """The parts of the text before the parameters, with their weights. `head` begins at `position`."""
    if not head.strip():
        raise _empty(position + len(head))
    text, *pieces = head.split("::")
    texts: list[WeightedText] = []
    for piece in pieces:
        weight, rest = _weight(piece, position + len(text) + 2)
        texts.append(_part(text, weight, position))
        position += len(text) + 2 + len(piece) - len(rest)
        text = rest
    if text.strip() or not texts:
        texts.append(_part(text, 1.0, position))
    _check_weights(texts, position)
    return tuple(texts)


def wanted(texts: Iterable[WeightedText]) -> list[str]:
    return [part.text for part in texts if part.weight >= 0]


def unwanted(texts: Iterable[WeightedText]) -> list[str]:
    """A part of negative weight pushes away, as --no does."""
    return [part.text for part in texts if part.weight < 0]


def _weight(piece: str, position: int) -> tuple[float, str]:
    """The weight right behind `::`, 1 if there is none, and the text that follows it."""
    match = _WEIGHT.match(piece)
    weight = float(match[1]) if match and match[1] else 1.0
    if (not match and piece[0] in "+-.0123456789") or abs(weight) > HEAVIEST:
        raise _bad_weight(piece, position)
    return weight, piece[match.end() :] if match else piece


def _part(text: str, weight: float, position: int) -> WeightedText:
    plain_text = literal(" ".join(text.split()))
    if plain_text:
        return WeightedText(plain_text, weight)
    end = position + len(text)
    sentence = (
        f"There is no text before the :: at character {end}. "
        "Write it behind the words that it weighs, for example a red boat::2 the sea::1."
    )
    raise Refusal("empty_part", sentence, field="prompt", position=end)


def _check_weights(texts: list[WeightedText], position: int) -> None:
    """`position` is the last part's."""
    if len(texts) > MOST_PARTS:
        sentence = (
            f"The prompt has {len(texts)} parts split by :: and {MOST_PARTS} is the most; the last begins at "
            f"character {position}. Join some of them with commas."
        )
        raise Refusal("too_many_parts", sentence, field="prompt", position=position)
    total = sum(text.weight for text in texts)
    if total < LIGHTEST:
        sentence = (
            f"The weights behind :: add up to {total:g} at character {position}; it must be more than 0. "
            "Raise one of them, for example tulips::2 red::-.5."
        )
        raise Refusal("weights_not_positive", sentence, field="prompt", position=position)


def write_texts(texts: tuple[WeightedText, ...]) -> str:
    if len(texts) == 1 and texts[0].weight == 1:
        return escaped(texts[0].text)
    return " ".join(f"{_ended(escaped(text.text))}::{plain(text.weight)}" for text in texts)


def _ended(text: str) -> str:
    """A colon at the end must not melt into the `::` behind it."""
    return f"{text} " if text.endswith(":") else text


def _empty(position: int) -> Refusal:
    sentence = (
        f"There is nothing to draw in this prompt before character {position}. Say what you want to see, and "
        "put parameters behind it: a red sailboat on the sea --ar 3:2."
    )
    return Refusal("empty_prompt", sentence, field="prompt", position=position)


def _bad_weight(piece: str, position: int) -> Refusal:
    word = piece.split()[0]
    sentence = (
        f"{shown(word)} behind :: at character {position} is no weight. Write a number from "
        f"-{HEAVIEST:g} to {HEAVIEST:g} and a space, for example space::2 ship."
    )
    return Refusal("invalid_weight", sentence, field="prompt", position=position)
