"""The engine with concurrent mixed jobs against diffusers' pipeline called job by job.

Same model, same seeds, same process; A and B by turns, ratios of pairs, the median of them. The
largest relative difference of the final latents stands beside each figure: without it a ratio says
nothing. `limit` is the engine's own forwards and decodings, bare: what no loop around them can beat.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from torch import Tensor

from farm.engine.job import EngineJob
from farm.engine.pool import Pool
from farm.engine.samplers import build_scheduler
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.spec import RenderSpec
from tests.farm.engine.desk import PROMPTS, Desk, recipe

SEED = 11
PAIRS = 5
JOBS = 8
THREADS = (
    1  # a second one waits for the first at every layer, and on a busy machine for the neighbours
)
Trace = list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]]

STEPS, GUIDANCES = (4, 8, 12, 20), (1.0, 4.0, 7.5)
SAMPLERS = ("dpm++2m-karras", "euler", "ddim", "euler-a")


@dataclass(frozen=True)
class Measure:
    """Seconds of one turn, all of them to pixels."""

    engine: float
    pipeline: float
    limit: float


def main() -> list[dict[str, float]]:
    torch.set_num_threads(THREADS)
    diffusers_logging.disable_progress_bar()
    catalog = read_catalog(SHARED / "catalog.toml")
    pool = Pool(catalog, device="cpu")
    pipeline = _pipeline(catalog.get(catalog.default).folder)
    print(f"{JOBS} jobs, n {PAIRS} pairs, seed {SEED}, {THREADS} threads")
    print(
        f"{'images a job':>13} {'rows':>5} {'engine x':>9} {'limit x':>8} {'of limit':>9} {'error':>8} load"
    )
    return [_compare(pool, pipeline, images=i, rows=r) for i, r in ((1, 16), (1, 32), (4, 16))]


def _compare(pool: Pool, pipeline: Any, *, images: int, rows: int) -> dict[str, float]:
    specs = mixed(images)
    trace: Trace = []
    with _traced(pool.get("postcards").family, trace):
        ours, _ = _engine(pool, specs, rows)
    theirs, _ = _one_by_one(pipeline, specs, "latent")
    error = max(_error(a, b) for a, b in zip(ours, theirs, strict=True))
    turns = [_turn(pool, pipeline, specs, rows, trace) for _ in range(PAIRS)]
    found = {
        "images": images,
        "rows": rows,
        "ratio": statistics.median(turn.pipeline / turn.engine for turn in turns),
        "limit": statistics.median(turn.pipeline / turn.limit for turn in turns),
        "of_limit": statistics.median(turn.limit / turn.engine for turn in turns),
        "error": error,
    }
    print(
        f"{images:>13} {rows:>5} {found['ratio']:>8.2f}x {found['limit']:>7.2f}x "
        f"{found['of_limit']:>8.0%} {error:>8.0e} {os.getloadavg()[0]:.1f}"
    )
    return found


def mixed(images: int) -> list[RenderSpec]:
    dice = Random(SEED)
    return [
        recipe(
            dice.choice(PROMPTS),
            seed=number * 100,
            images=images,
            steps=dice.choice(STEPS),
            guidance=dice.choice(GUIDANCES),
            sampler=dice.choice(SAMPLERS),
        )
        for number in range(JOBS)
    ]


def _turn(pool: Pool, pipeline: Any, specs: list[RenderSpec], rows: int, trace: Trace) -> Measure:
    _, engine = _engine(pool, specs, rows)
    _, one_by_one = _one_by_one(pipeline, specs, "np")
    return Measure(engine, one_by_one, _bare(trace))


def _engine(pool: Pool, specs: list[RenderSpec], rows: int) -> tuple[list[Tensor], float]:
    """Final latents of every job, and the seconds from the first to the last picture's pixels."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(pool, Path(folder), rows=rows)
        started = time.perf_counter()
        for number, spec in enumerate(specs):
            desk.admit(spec, f"job-{number}")
        jobs = list(desk.engine.running.values())
        while desk.engine.running:
            desk.engine.step()
        took = time.perf_counter() - started
        desk.finish()
    return [_final(job) for job in jobs], took


@contextmanager
def _traced(family: Any, trace: Trace) -> Iterator[None]:
    """Keep every call of the model, to make it again without a loop around it."""
    verbs = {name: getattr(family, name) for name in ("denoise", "decode")}

    def recorded(verb: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def record(*tensors: Tensor) -> Tensor:
            trace.append((verb, tensors))
            return verb(*tensors)

        return record

    for name, verb in verbs.items():
        setattr(family, name, recorded(verb))
    yield
    for name, verb in verbs.items():
        setattr(family, name, verb)


@torch.inference_mode()
def _bare(trace: Trace) -> float:
    started = time.perf_counter()
    for verb, tensors in trace:
        verb(*tensors)
    return time.perf_counter() - started


def _one_by_one(pipeline: Any, specs: list[RenderSpec], output: str) -> tuple[list[Any], float]:
    original, results = pipeline.scheduler, []
    started = time.perf_counter()
    for spec in specs:
        pipeline.scheduler = build_scheduler(spec.sampler, original.config)
        results.append(_call(pipeline, spec, output))
    took = time.perf_counter() - started
    pipeline.scheduler = original
    return results, took


def _call(pipeline: Any, spec: RenderSpec, output: str) -> Any:
    seeds = [spec.image_seed(index) for index in range(spec.images)]
    return pipeline(
        prompt=spec.texts[0].text,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        guidance_scale=spec.guidance,
        num_images_per_prompt=spec.images,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        output_type=output,
    ).images


def _pipeline(folder: Path) -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _final(job: EngineJob) -> Tensor:
    return torch.cat([one.latents for one in job.trajectories])


def _error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


if __name__ == "__main__":
    main()
