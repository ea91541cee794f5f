"""Who asks for what, and when: Poisson streams over accounts of Zipf-like zeal. Pure; a seed decides."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from random import Random
from typing import TypeVar
from uuid import NAMESPACE_OID, UUID, uuid5

from farm.simulate.hardware import Model
from shared.plans import Speed

Choice = TypeVar("Choice")
Recipe = tuple[str, int]  # a checkpoint and its steps

ZEAL = 0.8  # an account's n-th share of its stream is 1 / n**ZEAL
# An estimate carries a reserve (see shared.cost), so a job really takes this part of it.
TAKES = (0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One submission. `cost_ms` is the estimate, `work_ms` what a GPU of speed 1 takes by itself."""

    job_id: UUID
    account_id: UUID
    plan: str
    speed: Speed
    at: float
    cost_ms: int
    work_ms: float
    checkpoint: str
    steps: int


@dataclass(frozen=True, slots=True)
class Stream:
    """Submissions of one kind of people in a window of time. Shares and mixes need not sum to 1."""

    plan: str
    accounts: int
    per_minute: float
    speeds: Mapping[Speed, float]
    checkpoints: Mapping[str, float]
    steps: Mapping[int, float]
    start_s: float = 0.0
    end_s: float = inf
    people: str = ""  # streams of the same people share their accounts; empty: the plan's


def arrivals(
    streams: Iterable[Stream], *, models: Mapping[str, Model], until: float, seed: int
) -> list[Arrival]:
    """All streams merged, in order of time. Each draws from its own generator: a longer or busier
    stream moves no other one."""
    every = [
        arrival
        for number, stream in enumerate(streams)
        for arrival in _of_stream(stream, models, until, Random(f"{seed}/{number}"))
    ]
    return sorted(every, key=lambda arrival: arrival.at)


def _of_stream(
    stream: Stream, models: Mapping[str, Model], until: float, dice: Random
) -> Iterator[Arrival]:
    people = [_account(stream, number) for number in range(stream.accounts)]
    costs = {
        (name, steps): models[name].cost_ms(steps)
        for name in stream.checkpoints
        for steps in stream.steps
    }
    zeal = list(accumulate(1 / (number + 1) ** ZEAL for number in range(stream.accounts)))
    at, end = stream.start_s, min(stream.end_s, until)
    while stream.per_minute > 0:
        at += dice.expovariate(stream.per_minute / 60)
        if at >= end:
            return
        account = dice.choices(people, cum_weights=zeal)[0]
        yield _arrival(stream, costs, account, at=at, dice=dice)


def _arrival(
    stream: Stream, costs: Mapping[Recipe, int], account: UUID, *, at: float, dice: Random
) -> Arrival:
    checkpoint, steps = _one_of(stream.checkpoints, dice), _one_of(stream.steps, dice)
    cost_ms = costs[checkpoint, steps]
    return Arrival(
        job_id=UUID(int=dice.getrandbits(128)),
        account_id=account,
        plan=stream.plan,
        speed=_one_of(stream.speeds, dice),
        at=at,
        cost_ms=cost_ms,
        work_ms=cost_ms * dice.uniform(*TAKES),
        checkpoint=checkpoint,
        steps=steps,
    )


def _account(stream: Stream, number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"{stream.people or stream.plan}/{number}")


def _one_of(mix: Mapping[Choice, float], dice: Random) -> Choice:
    return dice.choices(list(mix), weights=list(mix.values()))[0]
