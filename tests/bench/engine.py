"""The engine under mixed traffic against what a plain user would run, on whatever device is here.

A stream of requests of unlike steps, guidance and samplers is drawn to final latents by
- `pipeline`: diffusers' own pipeline, one request after the other (eager; compiled too on a GPU),
- `static`: the same pipeline, whole requests batched, every row padded to the longest of its batch,
- `engine`: ours,
- `limit`: the engine's own forwards, called bare. No loop around them can beat it.

All from encoded texts to final latents: what texts and pixels cost is the same for everybody. The
largest relative error against the pipeline stands beside each ratio; a speed without it says
nothing. A, B, C by turns in one process; each ratio is the median of pairs of one turn.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor

from farm.engine.heap import keep_freed_memory
from farm.engine.samplers import build_scheduler
from shared.spec import RenderSpec
from tests.bench import sdxl
from tests.farm.engine.desk import Desk, recipe

SEED = 11
STEPS, GUIDANCES = (4, 8, 20, 28), (1.0, 5.0, 7.5)
SAMPLERS = ("euler", "ddim", "dpm++2m", "euler-a")
Trace = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """`side` of the latents, `rows` at most in a forward, and what is asked of the ratio."""

    side: int
    requests: int
    rows: int
    asked: str = ""


@dataclass
class Turn:
    """Seconds of one turn."""

    pipeline: float
    static: float
    engine: float
    limit: float


@dataclass
class Found:
    case: Case
    turns: list[Turn] = field(default_factory=list)
    error: float = 0.0
    occupancy: float = 0.0

    def ratio(self, above: str, below: str) -> float:
        return statistics.median(getattr(one, above) / getattr(one, below) for one in self.turns)


CPU_CASES = (
    Case(8, 24, 16),
    Case(8, 24, 32, ">= 4.0x, >= 95% of the limit"),
    Case(8, 200, 32, ">= 4.0x, >= 95% of the limit"),
    Case(16, 24, 32, ">= 1.8x"),
    Case(32, 24, 32, ">= 1.1x"),
)


def main(arguments: Sequence[str] = ()) -> list[Found]:
    options = _options(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()  # as the engine's process does; the others gain by it too
    diffusers_logging.disable_progress_bar()
    print(f"tiny SDXL, n {options.turns} turns, seed {SEED}, 1 thread, float32")
    print(
        f"{'latents':>8} {'jobs':>5} {'rows':>5} {'engine':>8} {'static':>8} {'limit':>8} "
        f"{'of limit':>9} {'filled':>7} {'error':>8} {'load':>5}  asked"
    )
    return [compare(case, options.turns) for case in CPU_CASES]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    return parser.parse_args(arguments)


def compare(case: Case, turns: int) -> Found:
    place, specs = sdxl.place(case.side), mixed(case)
    found, trace = Found(case), Trace()
    with _traced(place.family, trace):
        ours, _, found.occupancy = _engine(place, specs, case.rows)
    few = specs[: min(len(specs), 24)]
    theirs = [_one(place, [spec]) for spec in few]
    found.error = max(_error(a, b) for a, b in zip(ours, theirs, strict=False))
    for _ in range(turns):
        found.turns.append(_turn(place, specs, case.rows, trace))
    print(_line(found), flush=True)
    return found


def mixed(case: Case) -> list[RenderSpec]:
    dice = Random(SEED)
    return [
        recipe(
            f"{dice.choice(('a red boat', 'a blue house', 'a cat'))}",
            checkpoint=sdxl.NAME,
            seed=100 + number,
            images=1,
            width=sdxl.SCALE * case.side,
            height=sdxl.SCALE * case.side,
            steps=dice.choice(STEPS),
            guidance=dice.choice(GUIDANCES),
            sampler=dice.choice(SAMPLERS),
        )
        for number in range(case.requests)
    ]


def _turn(place: sdxl.Place, specs: list[RenderSpec], rows: int, trace: Trace) -> Turn:
    return Turn(
        pipeline=_timed(lambda: [_one(place, [spec]) for spec in specs]),
        static=_timed(lambda: _static(place, specs, rows)),
        engine=_engine(place, specs, rows)[1],
        limit=_timed(lambda: _bare(place, trace)),
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# --- ours ----------------------------------------------------------------------------------------


def _engine(
    place: sdxl.Place, specs: list[RenderSpec], rows: int
) -> tuple[list[Tensor], float, float]:
    """Final latents of every request, seconds, and how full the forwards were."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(place.pool, Path(folder), rows=rows)
        finals: dict[str, Tensor] = {}
        vars(desk.engine.finishing)["begin"] = lambda job: finals.update({job.id: _final(job)})
        started = time.perf_counter()
        for number, spec in enumerate(specs):
            desk.admit(spec, f"job-{number}", wait=False)
        full = _drive(desk, rows)
        took = time.perf_counter() - started
    return [finals[f"job-{number}"] for number in range(len(specs))], took, full


def _drive(desk: Desk, rows: int) -> float:
    """Until all are drawn. Mean share of the allowed rows while more were waiting than fit."""
    engine, filled = desk.engine, list[float]()
    while engine.preparing or engine.running:
        before = engine.counts["rows"]
        engine.step()
        if engine.pressed:
            filled.append((engine.counts["rows"] - before) / rows)
    return statistics.mean(filled) if filled else float("nan")


def _final(job: Any) -> Tensor:
    return torch.cat([one.latents for one in job.trajectories])


# --- the others ----------------------------------------------------------------------------------


@torch.inference_mode()
def _one(place: sdxl.Place, specs: Sequence[RenderSpec], steps: int = 0) -> Tensor:
    """One call of the pipeline, on texts that are encoded already."""
    first, pipeline = specs[0], place.pipeline
    pipeline.scheduler = build_scheduler(first.sampler, place.family.config)
    texts = [place.texts(spec) for spec in specs]
    told = {name: torch.cat([one[name] for one in texts]) for name in texts[0]}
    latents: Tensor = pipeline(
        **told,
        width=first.width,
        height=first.height,
        num_inference_steps=steps or first.steps,
        guidance_scale=max(spec.guidance for spec in specs),
        generator=[torch.Generator("cpu").manual_seed(spec.seed) for spec in specs],
        output_type="latent",
    ).images
    return latents


def _static(place: sdxl.Place, specs: list[RenderSpec], rows: int) -> None:
    """Whole requests in the order they came: a batch has one guidance and lasts as long as its longest."""
    size = rows // 2
    for start in range(0, len(specs), size):
        batch = specs[start : start + size]
        _one(place, batch, steps=max(spec.steps for spec in batch))


@contextmanager
def _traced(family: Any, trace: Trace) -> Iterator[None]:
    """Keep every call of the model, to make it again without a loop around it."""
    denoise = family.denoise

    def recorded(*asked: Any) -> Tensor:
        trace.append(asked)
        answer: Tensor = denoise(*asked)
        return answer

    family.denoise = recorded
    try:
        yield
    finally:
        del family.denoise


@torch.inference_mode()
def _bare(place: sdxl.Place, trace: Trace) -> None:
    for asked in trace:
        place.family.denoise(*asked)


def _error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def _line(found: Found) -> str:
    case = found.case
    return (
        f"{case.side:>5}x{case.side:<2} {case.requests:>5} {case.rows:>5} "
        f"{found.ratio('pipeline', 'engine'):>7.2f}x {found.ratio('pipeline', 'static'):>7.2f}x "
        f"{found.ratio('pipeline', 'limit'):>7.2f}x {found.ratio('limit', 'engine'):>9.0%} "
        f"{found.occupancy:>7.0%} {found.error:>8.0e} {os.getloadavg()[0]:>5.1f}  {case.asked}"
    )


if __name__ == "__main__":
    main()
