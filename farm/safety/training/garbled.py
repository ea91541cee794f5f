"""`pictor safety train-garbled`: tables of letters, words and pairs, and the network that weighs them.

From a file of prompts (columns id, prompt, label) and a folder of lists:
words.txt (`word rank` a line; rank 0 is a function word), pairs.txt (`first second`), pieces.txt (pieces of a
text model's vocabulary, `</w>` ends a word), texts.txt (sentences in other languages).
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from farm.safety.training.counts import pairs_of, rarities_of, surprise_of
from farm.safety.training.soups import FAMILIES, HELD_OUT, Family, Pantry, Soup, replaced
from farm.safety.training.trade import ABROAD, TRADE
from shared.errors import Refusal
from shared.safety.garbled import (
    ORDER,
    SIZES,
    Garbled,
    readable,
    starts_of,
    tokens_of,
)
from shared.safety.screen import WEIGHTS
from shared.safety.tensors import write_tensors

HIDDEN = 48
ATTACKS, TRIALS = 14_000, 200  # attacks to learn from; of each family to measure by
GARBAGE = 3  # tokens of garbage from which on a window is an attack; nonsense is one word
REVIEWED, BLOCKED = 0.01, 0.004  # share of ordinary prompts in each zone, the shipped policy's
ZONES = (0.6, 0.75)  # its thresholds
HARD_SOURCES, AGAIN = ("I2P", "DSG"), 3  # prompts as users write them count more often


@dataclass(frozen=True, slots=True)
class Lists:
    words: dict[str, int]
    pairs: list[tuple[str, str]]
    pieces: list[str]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Ordinary:
    """Prompts by what they serve for: the language, the network, the measures."""

    language: list[str]
    network: list[str]
    measure: list[tuple[str, str]]  # (source, prompt)


def run_garbled(data: Path, lists: Path, output: Path | None) -> None:
    """Prints the share of each family of attacks and of each source of ordinary prompts that is blocked."""
    for name, share in train_garbled(data, lists, output or WEIGHTS).items():
        typer.echo(f"{share:7.2%}  {name}")


def train_garbled(data: Path, lists: Path, folder: Path) -> dict[str, float]:
    """Writes words and garbled to `folder`; the shares of each family that are blocked."""
    known, ordinary = read_lists(lists), read_ordinary(data)
    model = _without_network(known, ordinary)
    dice = Random(11)
    pantry = Pantry(known.pieces, _common(known.words), ordinary.network)
    rows, labels = _examples(model, pantry, _plain(ordinary, known, dice), dice)
    model = replace(model, layers=_fitted(rows, labels))
    model = replace(model, knots=_calibrated(model, [text for _, text in ordinary.measure]))
    figures = measure(model, replace(pantry, prompts=[text for _, text in ordinary.measure]))
    _write(model, folder, figures)
    return figures | _passed(model, ordinary, known)


def read_lists(folder: Path) -> Lists:
    try:
        lines = {
            name: (folder / f"{name}.txt").read_text().splitlines()
            for name in Lists.__annotations__
        }
        ranked = (line.split() for line in lines["words"])
        pairs = (line.split() for line in lines["pairs"])
        return Lists(
            words={word: int(rank) for word, rank in ranked},
            pairs=[(first, second) for first, second in pairs],
            pieces=lines["pieces"],
            texts=[_clean(line) for line in lines["texts"]],
        )
    except (OSError, ValueError) as error:
        raise Refusal(
            "lists_unreadable", f"The lists in {folder} cannot be used: {error}."
        ) from error


def read_ordinary(data: Path) -> Ordinary:
    """The harmless rows, each for one purpose, chosen by its id."""
    language, network, measure = [], [], []
    for row in csv.DictReader(data.open(newline="")):
        if row["label"] != "benign":
            continue
        text, lot = _clean(row["prompt"]), _lot(row["id"])
        if lot < 8:
            language.append(text)
        elif lot < 17:
            network += [text] * (AGAIN if row.get("source", "").startswith(HARD_SOURCES) else 1)
        else:
            measure.append((row.get("source", ""), text))
    return Ordinary(language, network, measure)


def measure(model: Garbled, pantry: Pantry) -> dict[str, float]:
    """Share of each family that is blocked, on prompts that nothing was learnt from."""
    dice = Random(9)
    families = dict.fromkeys((*FAMILIES, *HELD_OUT))
    return {family.__name__: _blocked(model, family, pantry, dice) for family in families}


def _blocked(model: Garbled, family: Family, pantry: Pantry, dice: Random) -> float:
    scores = [model.score(readable(family(pantry, dice).text)) for _ in range(TRIALS)]
    return sum(score >= ZONES[1] for score in scores) / TRIALS


def _passed(model: Garbled, ordinary: Ordinary, known: Lists) -> dict[str, float]:
    by_source: dict[str, list[float]] = {}
    for source, text in ordinary.measure:
        by_source.setdefault(f"ordinary: {source}", []).append(model.score(text))
    by_source["ordinary: other languages"] = [model.score(text) for text in known.texts[-800:]]
    return {source: float(np.mean(np.array(got) >= ZONES[1])) for source, got in by_source.items()}


def _without_network(known: Lists, ordinary: Ordinary) -> Garbled:
    words, rarity = rarities_of(known.words, ordinary.language)
    texts = known.texts[: len(known.texts) * 3 // 5]
    return Garbled(
        surprise=surprise_of(known.words, ordinary.language, texts),
        words=words,
        rarity=rarity,
        pairs=pairs_of(known.pairs, [*ordinary.language, *texts]),
        layers=(),
        knots=(np.zeros(1, np.float32), np.zeros(1, np.float32)),
    )


def _plain(ordinary: Ordinary, known: Lists, dice: Random) -> Iterator[str]:
    """Ordinary texts as people send them: with and without the trade's own words behind them."""
    for prompt in ordinary.network:
        yield prompt
        yield ", ".join((prompt, *map(readable, dice.sample(TRADE, dice.randint(1, 4)))))
    yield from known.texts[len(known.texts) * 3 // 5 : -800]
    for _ in range(200):
        yield ", ".join(map(readable, dice.sample(TRADE, dice.randint(2, 6))))
    for _ in range(10):
        yield from map(readable, ABROAD)


def _examples(
    model: Garbled, pantry: Pantry, plain: Iterable[str], dice: Random
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Windows of ordinary texts, and those windows of attacks that hold garbage."""
    good = [model.features(text) for text in plain if tokens_of(text)]
    bad = []
    for index in range(ATTACKS):
        family = FAMILIES[index % len(FAMILIES)]
        soup = family(pantry, dice)
        text, garbage = _as_read(soup)
        held = _held(garbage, 1 if family is replaced else GARBAGE)
        bad.append(model.features(text)[held] if held.any() else np.zeros((0, good[0].shape[1])))
    rows = np.concatenate([*good, *bad])
    labels = np.arange(len(rows)) >= sum(map(len, good))
    return rows, labels


def _as_read(soup: Soup) -> tuple[str, NDArray[np.bool_]]:
    """The text that is judged, and which of its tokens are garbage."""
    text = readable(soup.text)
    (start, end), count = soup.span, len(tokens_of(text))
    before, after = (
        len(tokens_of(readable(soup.text[:start]))),
        len(tokens_of(readable(soup.text[end:]))),
    )
    places = np.arange(count)
    return text, (places >= before) & (places < count - after)


def _held(garbage: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """bool[windows]: those with at least so many tokens of garbage."""
    if not len(garbage):
        return np.zeros(0, bool)
    held = [
        garbage[start : start + size].sum()
        for size in SIZES
        for start in starts_of(len(garbage), size)
    ]
    return np.array(held) >= least


def _fitted(
    rows: NDArray[np.float32], labels: NDArray[np.bool_]
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """The network's layers; the scaling of its inputs is folded into the first."""
    from sklearn.neural_network import MLPClassifier

    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    network = MLPClassifier((HIDDEN,), alpha=1e-3, max_iter=80, random_state=0, early_stopping=True)
    network.fit((rows - mean) / spread, labels)
    first, last = network.coefs_
    inner = (first / spread[:, None]).astype(np.float32)
    bias = (network.intercepts_[0] - (mean / spread) @ first).astype(np.float32)
    return (inner, bias), (last.astype(np.float32), network.intercepts_[1].astype(np.float32))


def _calibrated(
    model: Garbled, ordinary: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits and the scores that they stand for: ordinary prompts spend their budget in each zone."""
    far = np.array([-100, 100], np.float32)
    logits = np.array([replace(model, knots=(far, far)).score(text) for text in ordinary])
    review, block = np.quantile(logits, [1 - REVIEWED, 1 - BLOCKED])
    knots = [review - 12, review, block, block + 6]
    return np.array(knots, np.float32), np.array([0, *ZONES, 1], np.float32)


def _write(model: Garbled, folder: Path, figures: dict[str, float]) -> None:
    write_tensors(
        folder, "words", {"hashes": model.words, "rarity": model.rarity}, {"hash": "CRC-32"}
    )
    tensors: dict[str, NDArray[Any]] = {"surprise": model.surprise, "pairs": model.pairs}
    for number, (weights, bias) in enumerate(model.layers):
        tensors |= {f"weights{number}": weights, f"bias{number}": bias}
    tensors |= {"logits": model.knots[0], "scores": model.knots[1]}
    write_tensors(folder, "garbled", tensors, {"blocked": figures, "order": ORDER})


def _common(words: dict[str, int]) -> list[str]:
    return [word for word, rank in words.items() if rank < 30_000]


def _clean(text: str) -> str:
    return readable(text)


def _lot(row: str) -> int:
    return int(hashlib.sha256(row.encode()).hexdigest(), 16) % 20
