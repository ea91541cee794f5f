"""What is asked for: a seeded list of prompts, most of them harmless. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tests.chaos.stub import CRACKED, KRAKEN, VEILED

PEOPLE = 40
# In ten thousand: what kills its process, what the filter withholds, what fails, what is called off.
SHARES = {KRAKEN: 15, VEILED: 150, CRACKED: 100, "cancelled": 150}
REPEATED = 0.02  # asked for once more with the same key
SPEEDS = ("turbo", "fast", "fast", "relax")
PLANS = ("paid", "pro")


@dataclass(frozen=True, slots=True)
class Wish:
    """`key` names the submission. `kind` is a word of the stub, "cancelled" or "boat"."""

    key: str
    text: str
    kind: str
    speed: str
    person: str
    plan: str
    repeated: bool


def wishes(jobs: int, seed: int) -> list[Wish]:
    dice = Random(f"wishes {seed}")
    kinds = list(_kinds(jobs))
    dice.shuffle(kinds)
    return [_wish(number, kind, seed, dice) for number, kind in enumerate(kinds)]


def _kinds(jobs: int) -> Iterator[str]:
    left = jobs
    for kind, share in SHARES.items():
        count = min(left, max(1, round(jobs * share / 10_000)))
        left -= count
        yield from [kind] * count
    yield from ["boat"] * left


def _wish(number: int, kind: str, seed: int, dice: Random) -> Wish:
    person = dice.randrange(PEOPLE)
    return Wish(
        key=f"chaos-{seed}-{number}",
        text=f"a {kind} number {name(number)} --seed {dice.randrange(2**32)}",
        kind=kind,
        speed=dice.choice(SPEEDS),
        person=f"person-{person}",
        plan=PLANS[person % len(PLANS)],
        repeated=dice.random() < REPEATED,
    )


def name(number: int) -> str:
    """Two at a time: some longer numbers are words that the prompt's filter knows."""
    return f"{number // 100} and {number % 100}"
