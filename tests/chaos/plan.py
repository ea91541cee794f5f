"""Which faults strike, when and whom: a list drawn from a seed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos import points

WORKERS, DISPATCHERS = ("w1", "w2", "w3", "w4"), ("d1", "d2")
LINED = ("w1", "d1", "client")  # whose way to the servers can be cut
LEADER, BOT, SERVERS = ("leader",), ("bot",), ("servers",)
FIRST, LAST = 0.03, 0.92  # shares of the jobs that have ended: a fault needs jobs to strike


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    targets: Sequence[str]
    weight: int
    most: float = 1.0  # share of all faults: what stops everybody must not be all there is


# A named place is a kind of its own, so that each is reached in every run.
KINDS = (
    Kind("kill", WORKERS, 8),
    Kind("kill_child", WORKERS, 8),
    Kind("kill_dispatcher", LEADER, 3),
    Kind("kill_bot", BOT, 2, 0.05),
    Kind("freeze", WORKERS, 4),
    Kind("freeze_dispatcher", LEADER, 2, 0.05),
    Kind("no_heartbeat", WORKERS, 4),
    Kind("frozen_line", ("w1", "w1", "d1"), 3),
    Kind("cut_commit", LINED, 6),
    Kind("cut_redis", LINED, 3),
    Kind("redis_flush", SERVERS, 3),
    Kind("redis_kill", SERVERS, 2, 0.05),
    Kind("postgres_kill", SERVERS, 2, 0.05),
    Kind("deploy", WORKERS, 6),
    Kind("deploy_dispatcher", LEADER, 2),
    Kind("deploy_bot", BOT, 1, 0.05),
    Kind("storage_errors", WORKERS, 3),
    *(Kind(f"at {place}", WORKERS, 2) for place in points.WORKER),
    *(Kind(f"leader at {place}", LEADER, 1) for place in points.DISPATCHER),
    *(Kind(f"bot at {place}", BOT, 1, 0.05) for place in points.BOT),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Blow:
    """`at` is the share of the jobs that have ended by then; `size` (0..1) is the kind's to read."""

    number: int
    kind: str
    target: str
    at: float
    size: float


def blows(faults: int, seed: int, *, bot: bool) -> list[Blow]:
    """Each kind once, as far as `faults` reaches, then by weight; spread evenly over the run."""
    dice = Random(f"blows {seed}")
    kinds = [kind for kind in KINDS if bot or kind.targets != BOT]
    chosen = [*dice.sample(kinds, min(faults, len(kinds))), *_more(kinds, faults, dice)]
    dice.shuffle(chosen)
    every = (LAST - FIRST) / max(faults, 1)
    return [
        Blow(number, kind.name, dice.choice(kind.targets), FIRST + number * every, dice.random())
        for number, kind in enumerate(chosen)
    ]


def _more(kinds: Sequence[Kind], faults: int, dice: Random) -> Iterator[Kind]:
    left = {kind: max(1, round(kind.most * faults)) - 1 for kind in kinds}
    for _ in range(faults - len(kinds)):
        open_kinds = [kind for kind in kinds if left[kind] > 0]
        kind = dice.choices(open_kinds, weights=[kind.weight for kind in open_kinds])[0]
        left[kind] -= 1
        yield kind
