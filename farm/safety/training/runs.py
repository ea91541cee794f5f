"""The two commands from file to file and from file to table."""

import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from farm.safety.training import corpus
from farm.safety.training.evaluation import Screen, judge, report
from farm.safety.training.figures import Share
from farm.safety.training.rows import Row, read_rows
from farm.safety.training.tables import as_json as json_of
from farm.safety.training.tables import tables
from farm.safety.training.taxonomy import read_taxonomy
from farm.safety.training.training import train, write_heads, write_vectors
from shared.config import Settings
from shared.errors import Fault
from shared.safety.disguises import spelled
from shared.safety.heads import VECTORS, Heads, vectors_of
from shared.safety.screen import WEIGHTS, open_screen
from shared.safety.tensors import read_tensors

LONGEST_WORD = 20


def run_training(
    settings: Settings, data: Path, output: Path | None, seed_corpus: Path | None, *, seed: int
) -> None:
    """Fault without scikit-learn; Refusal when the data cannot be trained on."""
    _require_fitting()

    taxonomy = read_taxonomy()
    rows = read_rows(data, taxonomy)
    drawn = corpus.draw(seed_corpus or corpus.FILE, seed)
    vectors = vectors_of(read_tensors(WEIGHTS, VECTORS))
    console = Console(stderr=True, highlight=False)
    with console.status("training") as status:
        status.update("word lists")
        words = open_screen(settings.blocklist_file, settings.policy_file).without_heads()
        listed = blocked_by(words, rows)
        trained = train(rows, drawn, vectors, taxonomy, listed=listed, seed=seed, say=status.update)
    folder = output or WEIGHTS
    if folder.resolve() != WEIGHTS.resolve():
        write_vectors(folder, vectors)
    digest = write_heads(folder, trained, data=data.read_bytes(), rows=rows, seed=seed)
    console.print(f"Data {digest[:12]}, {len(rows)} prompts. Unseen by the fit, blocked:")
    _print(console, trained.seen)
    console.print("Of a source of which the fit saw nothing, blocked:")
    _print(console, trained.strange)
    console.print(f"{Heads.load(folder).version} is in {folder}.")


def blocked_by(screen: Screen, rows: Sequence[Row]) -> NDArray[np.bool_]:
    return np.array([one.blocked for one, _ in judge(rows, screen)], bool)


def _print(console: Console, shares: dict[str, Share]) -> None:
    for name, one in shares.items():
        console.print(f"  {name}: {one.value:.1%}, {one.told}")


def _require_fitting() -> None:
    if find_spec("sklearn") is None:
        raise Fault("no_scikit_learn", "Training needs scikit-learn: pip install 'pictor[train]'.")


def run_distillation(encoder: Path, data: Path, output: Path) -> None:
    """Vectors of the encoder's whole words and of the words of the data."""
    from farm.safety.training.vectors import distil, whole_words

    rows = read_rows(data, read_taxonomy())
    used = Counter(word for row in rows for word in spelled(row.prompt).split())
    calm = Counter(word for row in rows if not row.unsafe for word in spelled(row.prompt).split())
    words = {word for word in used if word.isascii() and 1 < len(word) < LONGEST_WORD}
    write_vectors(output, vectors_of(distil(encoder, {*words, *whole_words(encoder)}, calm)))


def run_evaluation(settings: Settings, data: Path, *, as_json: bool, ids: bool) -> None:
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    found = report(read_rows(data, read_taxonomy(), as_told=True), screen)
    if as_json:
        sys.stdout.write(json_of(found, ids=ids) + "\n")
    else:
        Console(highlight=False).print(tables(found, ids=ids))
