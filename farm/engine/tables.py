"""What a diffusers scheduler does, found by asking it, as a table of numbers: the fast path.

Most schedulers' steps are linear in the latents, the predictions and the noise. Shown random
numbers they give their coefficients away, one evaluation after the other; fresh random numbers
then tell whether the coefficients hold. Schedulers that are not linear have no table.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

LIMIT = 1e-6  # relative; some schedulers compute in single precision whatever they are given
WIDTHS = (2, 4, 6)
SHAPE = (1, 4, 16, 16)
LOUDNESS = (1.0, 100.0)  # the loud run finds clipping that quiet numbers do not reach


@dataclass(frozen=True)
class Table:
    """x' = c·[x, e, x-1, e-1, x-2, e-2] + s·z for each evaluation.

    x, e are the latents before it and the guided prediction, x-1 those of the evaluation before;
    `coefs` (evaluations, 6) has zeros in unused columns, `noise` (evaluations,) is s. All numbers
    are float64 on the CPU. `draws` tells where the scheduler draws z from the generator, even if
    s is 0. `scale` is what the model sees the latents multiplied by. `held` (evaluations, 2) are a
    and b of noised(clean, noise, index + 1) = a·clean + b·noise. A `chained` table holds only on
    the scheduler's own trajectory, not where latents are edited between steps. `residual` is the
    worst relative error.
    """

    terms: int
    coefs: Tensor
    noise: Tensor
    draws: tuple[bool, ...]
    scale: Tensor
    held: Tensor
    start_scale: float
    chained: bool
    residual: float

    def step(self, index: int, known: Sequence[Tensor], drawn: Tensor | None) -> Tensor:
        """`known` are x, e, x-1, e-1, ..., as many as there are so far."""
        weights: list[float] = self.coefs[index].tolist()
        after = sum(weight * one for weight, one in zip(weights, known, strict=False) if weight)
        if drawn is not None:
            after = after + float(self.noise[index]) * drawn
        return torch.as_tensor(after)


class Steps(Protocol):
    """What is asked of a sampler. `key` is equal for samplers that step alike."""

    key: str
    moments: list[Tensor]

    @property
    def start_scale(self) -> float: ...

    def fork(self) -> "Steps": ...

    def scale(self, latents: Tensor, index: int) -> Tensor: ...

    def advance(
        self, latents: Tensor, prediction: Tensor, *, index: int, generator: torch.Generator
    ) -> Tensor: ...

    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor: ...


@dataclass(frozen=True)
class Question:
    """Two are equal when their keys are, whatever sampler asks."""

    key: str
    sampler: Steps = field(compare=False, repr=False)


def probe(sampler: Steps) -> Table | None:
    """Its table, or None where no table tells what it does. The sampler itself is not stepped."""
    return _answer(Question(sampler.key, sampler))


@lru_cache(maxsize=256)
def _answer(question: Question) -> Table | None:
    for chained in (False, True):
        table = _fitted(question.sampler, chained=chained)
        if table is not None and table.residual <= LIMIT:
            return table
    return None


# --- asking ---------------------------------------------------------------------------------------


class Unforeseen(ArithmeticError):
    """The scheduler did what no table can tell."""


@dataclass(frozen=True)
class Passage:
    """One evaluation seen: x, e, x-1, e-1, x-2, e-2; x as the model sees it; the noise; what came."""

    known: tuple[Tensor, ...]
    seen: Tensor
    drawn: Tensor | None
    after: Tensor


def _walk(sampler: Steps, *, seed: int, loud: float, chained: bool) -> list[Passage]:
    """The whole way of a fork over random numbers.

    Each evaluation is shown latents of its own, which makes the columns independent; `chained`
    ones are shown what the one before gave.
    """
    twin = sampler.fork()
    numbers, generator = (torch.Generator().manual_seed(seed + one) for one in (0, 1000))
    passages: list[Passage] = []
    past: tuple[Tensor, ...] = ()
    for index in range(len(sampler.moments)):
        latents, prediction = (_random(numbers) * loud for _ in range(2))
        if chained and passages:
            latents = passages[-1].after
        past = (latents, prediction, *past)[:6]
        seen = twin.scale(latents, index)
        state = generator.get_state()
        after = twin.advance(latents, prediction, index=index, generator=generator)
        if not bool(after.isfinite().all()):
            raise Unforeseen("no numbers")  # LAPACK would complain of them, or worse
        passages.append(Passage(past, seen, _drawn(state, generator), after.double()))
    return passages


def _random(numbers: torch.Generator) -> Tensor:
    """Double, but exact in single precision: schedulers that round their input lose nothing."""
    return torch.randn(SHAPE, generator=numbers).double()


def _drawn(before: Tensor, generator: torch.Generator) -> Tensor | None:
    """The noise that a scheduler took, drawn again from where its generator stood."""
    if torch.equal(before, generator.get_state()):
        return None
    for dtype in (torch.float64, torch.float32):
        twin = torch.Generator()
        twin.set_state(before)
        noise = torch.randn(SHAPE, generator=twin, dtype=dtype)
        if torch.equal(twin.get_state(), generator.get_state()):
            return noise.double()
    raise Unforeseen("more noise than one of each number")


# --- solving --------------------------------------------------------------------------------------


def _fitted(sampler: Steps, *, chained: bool) -> Table | None:
    """With the residual measured on other numbers than those it was solved from."""
    try:
        passages = _walk(sampler, seed=1, loud=1.0, chained=chained)
        rows = [_solved(passage) for passage in passages]
        table = Table(
            terms=max(width for width, _ in rows),
            coefs=torch.stack([row[:6] for _, row in rows]),
            noise=torch.stack([row[6] for _, row in rows]),
            draws=tuple(passage.drawn is not None for passage in passages),
            scale=torch.stack([_ratio(passage.seen, passage.known[0]) for passage in passages]),
            held=torch.stack([_held(sampler, index + 1) for index in range(len(passages))]),
            start_scale=sampler.start_scale,
            chained=chained,
            residual=0.0,
        )
        return replace(table, residual=measure(sampler, table))
    except Unforeseen:
        return None


def _solved(passage: Passage) -> tuple[int, Tensor]:
    """The fewest columns that explain it, and (7,) coefficients, the noise's last."""
    wanted = passage.after.flatten()
    extra = () if passage.drawn is None else (passage.drawn,)
    for width in WIDTHS:
        columns = passage.known[:width]
        matrix = torch.stack([one.flatten() for one in (*columns, *extra)], 1)
        # Of minimal norm: on a trajectory of its own, the first columns depend on each other.
        found = torch.linalg.lstsq(matrix, wanted[:, None], driver="gelsd").solution[:, 0]
        if _apart(matrix @ found, wanted) <= LIMIT:
            row = torch.zeros(7, dtype=torch.float64)
            row[: len(columns)] = found[: len(columns)]
            row[6] = found[-1] if extra else 0.0
            return width, row
    raise Unforeseen("not linear in what a table knows")


def _ratio(seen: Tensor, latents: Tensor) -> Tensor:
    return (seen * latents).sum() / latents.square().sum()


def _held(sampler: Steps, index: int) -> Tensor:
    clean = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    return sampler.noised(clean, 1 - clean, index)[0].double()


# --- checking -------------------------------------------------------------------------------------


def measure(sampler: Steps, table: Table) -> float:
    """The worst relative error of a table, at any step and along whole trajectories."""
    worst = [_held_apart(sampler, table)]
    for seed, loud in enumerate(LOUDNESS, start=2):
        own = _walk(sampler, seed=seed, loud=loud, chained=True)
        worst += [*_steps_apart(table, own), *_ways_apart(table, own)]
        if not table.chained:
            worst += _steps_apart(table, _walk(sampler, seed=-seed, loud=loud, chained=False))
    return max(worst)


def _steps_apart(table: Table, passages: Sequence[Passage]) -> Iterator[float]:
    for index, one in enumerate(passages):
        yield _apart(table.step(index, one.known, one.drawn), one.after)
        yield _apart(table.scale[index] * one.known[0], one.seen)
        yield 0.0 if table.draws[index] == (one.drawn is not None) else math.inf


def _ways_apart(table: Table, passages: Sequence[Passage]) -> Iterator[float]:
    """The table's own trajectory beside the scheduler's, over the same predictions and noise.

    Roundings of single precision add up like a random walk; a wrong number adds up faster.
    """
    latents = passages[0].known[0]
    past: tuple[Tensor, ...] = ()
    for index, one in enumerate(passages):
        past = (latents, one.known[1], *past)[:6]
        latents = table.step(index, past, one.drawn)
        yield _apart(latents, one.after) / math.sqrt(index + 1)


def _held_apart(sampler: Steps, table: Table) -> float:
    numbers = torch.Generator().manual_seed(4)
    clean, noise = _random(numbers), _random(numbers)
    return max(
        _apart(share[0] * clean + share[1] * noise, sampler.noised(clean, noise, index))
        for index, share in enumerate(table.held, start=1)
    )


def _apart(found: Tensor, wanted: Tensor) -> float:
    """As a share of the largest number wanted; infinite where there are no numbers."""
    share = float((found - wanted).abs().max() / wanted.abs().max())
    return share if math.isfinite(share) else math.inf
