"""How long the prompt screen takes: `python -m tests.bench.prompt_screen --data FILE.csv`.

Beside the usual filter of bots: one regular expression of all listed words over the lower-case text. Prompts
of the file (column `prompt`; none is printed), the longest that Discord lets through, and hostile ones. Times
are of one core: OMP_NUM_THREADS=1.
"""

import argparse
import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import thread_time

from shared.config import SHARED
from shared.safety.blocklist import read_blocklist
from shared.safety.screen import open_screen

BLOCKLIST = SHARED / "safety" / "blocklist.toml"
CHARACTERS = 6000  # Discord's longest option
LONG, HOSTILE, ROUNDS = 40, 40, 3
SIGNS = "abcdefgh0123456789%&#;=*@$!|+._- \u200b\u0430\u0435\uff41\u0336"


def main() -> None:
    data = _asked()
    with data.open(newline="") as lines:
        ordinary = [row["prompt"] for row in csv.DictReader(lines)]
    dice = Random(5)
    sets = {
        "prompts of the file": dice.sample(ordinary, min(1000, len(ordinary))),
        f"{CHARACTERS} characters of prompts": [_long(ordinary, dice) for _ in range(LONG)],
        f"{CHARACTERS} characters of anything": [_hostile(dice) for _ in range(HOSTILE)],
    }
    screen = open_screen(BLOCKLIST, SHARED / "safety" / "policy.toml")
    words = screen.without_heads()
    filters: dict[str, Callable[[str], object]] = {
        "regular expression": _alternation(),
        "words layer": lambda text: words.assess([text]),
        "whole screen": lambda text: screen.assess([text]),
    }
    for name, texts in sets.items():
        for title, judge in filters.items():
            p50, p99, most = _measured(judge, texts)
            print(f"{name:32} {title:20} p50 {p50:8.3f}  p99 {p99:8.3f}  max {most:8.3f} ms")


def _asked() -> Path:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data: Path = parser.parse_args().data
    return data


def _alternation() -> Callable[[str], object]:
    listed = sorted(read_blocklist(BLOCKLIST).terms, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, listed))})s?\b")
    return lambda text: pattern.findall(text.lower())


def _long(prompts: Sequence[str], dice: Random) -> str:
    return ", ".join(dice.choices(prompts, k=200))[:CHARACTERS]


def _hostile(dice: Random) -> str:
    return "".join(dice.choices(SIGNS, k=CHARACTERS))


def _measured(judge: Callable[[str], object], texts: Sequence[str]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum in ms; of each text the best of some rounds."""
    judge(texts[0])
    took = sorted(min(_once(judge, text) for _ in range(ROUNDS)) for text in texts)
    return took[len(took) // 2], took[int(len(took) * 0.99)], took[-1]


def _once(judge: Callable[[str], object], text: str) -> float:
    begin = thread_time()
    judge(text)
    return (thread_time() - begin) * 1000


if __name__ == "__main__":
    main()
