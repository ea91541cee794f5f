"""Attacks that a garbled-text model must know, made from word pieces and ordinary prompts. Pure given its dice.

Each family imitates what optimisation and search produce against image models: whole prompts and suffixes of
random pieces, soups of real words, one word that nonsense stands for, noise, codes read as text.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"
NOISE = LETTERS + "0123456789!@#$%&*_-+=~^|"
END = "</w>"  # of a piece that ends a word
LONGEST_NONSENSE = 14


@dataclass(frozen=True, slots=True)
class Soup:
    """An attack and the (start, end) of what is garbage in it."""

    text: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pantry:
    """`pieces` of a text model's vocabulary, common `words`, and ordinary `prompts` to spoil."""

    pieces: Sequence[str]
    words: Sequence[str]
    prompts: Sequence[str]


Family = Callable[[Pantry, Random], Soup]


def pieced(pantry: Pantry, dice: Random) -> Soup:
    return _all(_pieces(pantry, dice, dice.randint(6, 30)))


def suffixed(pantry: Pantry, dice: Random) -> Soup:
    """An ordinary prompt with 5 to 20 random pieces after it, before it or inside."""
    words = dice.choice(pantry.prompts).split()[:40]
    chance = dice.random()
    at = len(words) if chance < 0.7 else 0 if chance < 0.85 else dice.randint(0, len(words))
    return _between(words[:at], _pieces(pantry, dice, dice.randint(5, 20)), words[at:])


def themed(pantry: Pantry, dice: Random) -> Soup:
    """Random pieces among the words of a prompt, in no order: what a search for a meaning ends in."""
    pieces = [_shown(dice.choice(pantry.pieces)) for _ in range(dice.randint(8, 20))]
    words = dice.choice(pantry.prompts).split()
    mixed = pieces + [
        f"{dice.choice(words)} " for _ in range(int(len(pieces) * dice.uniform(0.3, 1.2)))
    ]
    dice.shuffle(mixed)
    return _all(_tidy("".join(mixed)))


def worded(pantry: Pantry, dice: Random) -> Soup:
    """Real words, and no sentence."""
    if dice.random() < 0.5:
        return _all(" ".join(dice.choice(pantry.words) for _ in range(dice.randint(8, 20))))
    whole = (
        piece.removesuffix(END)
        for piece in iter(lambda: dice.choice(pantry.pieces), None)
        if _whole(piece)
    )
    return _all(" ".join(next(whole) for _ in range(dice.randint(8, 24))))


def replaced(pantry: Pantry, dice: Random) -> Soup:
    """A prompt in which nonsense stands for one word or two."""
    words = dice.choice(
        [prompt for prompt in dice.choices(pantry.prompts, k=9) if " " in prompt]
    ).split()
    place = dice.randrange(len(words))
    return _between(words[:place], nonsense(pantry, dice), words[place + 1 :])


def noisy(pantry: Pantry, dice: Random) -> Soup:
    noise = " ".join(
        "".join(dice.choices(NOISE, k=dice.randint(2, 9))) for _ in range(dice.randint(4, 14))
    )
    before = dice.choice(pantry.prompts).split() if dice.random() < 0.6 else []
    return _between(before, noise, [])


def coded(pantry: Pantry, dice: Random) -> Soup:
    """A prompt in rot13, backwards, or without its vowels."""
    prompt = dice.choice(pantry.prompts)
    ways = (
        codecs.encode(prompt, "rot13"),
        prompt[::-1],
        re.sub(f"[{VOWELS}]", "", prompt),
    )
    return _all(_tidy(dice.choice(ways)))


# What is trained on, most often what is hardest to tell; and what only measures.
FAMILIES: tuple[Family, ...] = (
    pieced, suffixed, suffixed, themed, themed, worded, worded, replaced, noisy, coded, coded,
)  # fmt: skip


def themed_suffix(pantry: Pantry, dice: Random) -> Soup:
    """Held out: a prompt and a soup of real words after it."""
    words = dice.choice(pantry.prompts).split()
    return _between(words, " ".join(dice.choices(pantry.words, k=dice.randint(8, 20))), [])


def punctuated(pantry: Pantry, dice: Random) -> Soup:
    """Held out: 20 pieces of which a quarter are a prompt's own words, with stray punctuation."""
    words = [word for word in dice.choice(pantry.prompts).split() if len(word) > 3] or ["house"]
    parts = []
    for _ in range(20):
        chance = dice.random()
        own = f"{dice.choice(words)} " if chance < 0.25 else f"{dice.choice('!?.,')} "
        parts.append(_shown(dice.choice(pantry.pieces)) if 0.25 <= chance < 0.95 else own)
    return _all(_tidy("".join(parts)))


HELD_OUT: tuple[Family, ...] = (themed_suffix, punctuated)


def nonsense(pantry: Pantry, dice: Random) -> str:
    """A word of 4 to 14 letters that is none: glued pieces, random letters, or one that can be spoken."""
    chance = dice.random()
    if chance < 0.4:
        parts = [
            piece.removesuffix(END)
            for piece in dice.choices(pantry.pieces, k=40)
            if piece.removesuffix(END).isalpha() and piece.isascii()
        ]
        return "".join(parts[: dice.randint(2, 3)])[:LONGEST_NONSENSE]
    if chance < 0.7:
        return "".join(dice.choices(LETTERS, k=dice.randint(4, 10)))
    return "".join(
        dice.choice(CONSONANTS)
        + dice.choice(VOWELS)
        + (dice.choice("nrstlm") if dice.random() < 0.3 else "")
        for _ in range(dice.randint(2, 4))
    )


def _pieces(pantry: Pantry, dice: Random, count: int) -> str:
    return _tidy("".join(_shown(piece) for piece in dice.choices(pantry.pieces, k=count)))


def _shown(piece: str) -> str:
    return piece.replace(END, " ")


def _whole(piece: str) -> bool:
    return piece.endswith(END) and piece.removesuffix(END).isalpha()


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _all(text: str) -> Soup:
    return Soup(text, (0, len(text)))


def _between(before: Sequence[str], garbage: str, after: Sequence[str]) -> Soup:
    head = " ".join(before)
    start = len(head) + 1 if head else 0
    text = " ".join(part for part in (head, garbage, " ".join(after)) if part)
    return Soup(text, (start, start + len(garbage)))
