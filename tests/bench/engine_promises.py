"""What the engine promises beside its speed: each against a named baseline of the same run.

- `overhead`: a step of the engine over the bare forward of the same rows.
- `filled`: rows that ran over rows allowed, while more waited than fit; mixed LoRAs and guidance.
- `turbo`: forwards between a turbo job's being ready and its first step, on a full engine.
- `lora`: eight rows of three adapters and none, over eight plain rows.
- `accounts`: what all jobs were charged over the wall time of the loop.
- `switch`: bringing a checkpoint back from the host over copying its bytes.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import torch

from farm.engine.memory.pool import Pool
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.spec import LoraUse
from tests.farm.engine.desk import PROMPTS, Desk, recipe
from tests.farm.engine.memory.test_pool import Tiny
from tests.farm.engine.shelf import pool_of

SEED = 11
ROUNDS = 9
ROWS = 16
UNITS = 800_000  # of a checkpoint to be moved: 200 megabytes and a little
WORN = ((), (LoraUse("sepia"),), (LoraUse("neon"),), (LoraUse("sepia", 0.5), LoraUse("neon", 0.5)))


def main() -> dict[str, float]:
    torch.set_num_threads(1)
    pool = Pool(read_catalog(SHARED / "catalog.toml"), device="cpu")
    pool.get("postcards")
    found = {**_loop(pool), **_turbo(pool), **_lora(pool), **_switch()}
    print(f"postcards, 1 thread, n {ROUNDS}, seed {SEED}, load {os.getloadavg()[0]:.1f}")
    for name, value in found.items():
        print(f"{name:>10} {value:.3f}")
    return found


@contextmanager
def _desk(pool: Pool, rows: int = ROWS) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(pool, Path(folder), rows=rows)
        vars(desk.engine.finishing)["begin"] = lambda job: None  # decoding is not what is measured
        yield desk


# --- the loop ------------------------------------------------------------------------------------


def _loop(pool: Pool) -> dict[str, float]:
    """A saturated stream: three times as many rows waiting as fit."""
    overheads, filled, charged = list[float](), list[float](), list[float]()
    for turn in range(3):
        with _desk(pool) as desk, _timed_forwards(pool) as spent:
            jobs = _crowd(desk, Random(SEED + turn))
            wall = 0.0
            while desk.engine.running:
                before, started = desk.engine.counts["rows"], time.perf_counter()
                desk.engine.step()
                wall += time.perf_counter() - started
                if desk.engine.order.pressed:
                    filled.append((desk.engine.counts["rows"] - before) / ROWS)
        overheads.append(wall / spent[0] - 1)
        charged.append(sum(job.gpu_ms for job in jobs) / 1e3 / wall)
    return {
        "overhead": statistics.median(overheads),
        "filled": statistics.mean(filled),
        "accounts": statistics.median(charged),
    }


def _crowd(desk: Desk, dice: Random) -> list[Any]:
    jobs = []
    for number in range(24):
        spec = recipe(
            dice.choice(PROMPTS),
            seed=number,
            images=2,
            steps=dice.choice((4, 8, 12)),
            guidance=dice.choice((1.0, 4.0)),
            sampler=dice.choice(("euler", "ddim", "dpm++2m-karras", "euler-a")),
            loras=dice.choice(WORN),
        )
        desk.admit(spec, f"job-{number}")
        jobs.append(desk.engine.running[f"job-{number}"])
    return jobs


@contextmanager
def _timed_forwards(pool: Pool) -> Iterator[list[float]]:
    """Seconds inside the model, in the first place of the list."""
    family: Any = pool.get("postcards").family
    denoise, spent = family.denoise, [0.0]

    def timed(*asked: Any) -> Any:
        started = time.perf_counter()
        answer = denoise(*asked)
        spent[0] += time.perf_counter() - started
        return answer

    family.denoise = timed
    try:
        yield spent
    finally:
        del family.denoise


# --- turbo ---------------------------------------------------------------------------------------


def _turbo(pool: Pool) -> dict[str, float]:
    """In forwards: one is under way when it arrives, the next is its own."""
    waits = []
    with _desk(pool, rows=8) as desk:
        for number in range(4):
            desk.admit(recipe(seed=number, images=4, steps=200), f"relaxed-{number}", rank=2)
        for number in range(60):
            desk.steps(1)
            desk.admit(recipe(seed=number, images=1, steps=1), f"turbo-{number}", rank=0)
            job, waited = desk.engine.running[f"turbo-{number}"], 0
            while not job.trajectories[0].finished:
                desk.engine.step()
                waited += 1
            waits.append(waited)
    return {"turbo_p50": statistics.median(waits), "turbo_p99": sorted(waits)[-1]}


# --- adapters ------------------------------------------------------------------------------------


def _lora(pool: Pool) -> dict[str, float]:
    plain, mixed = (_forward_of(pool, worn) for worn in ([()] * 8, [*WORN, *WORN]))
    ratios = [_seconds(mixed) / _seconds(plain) for _ in range(ROUNDS)]
    return {"lora": statistics.median(ratios)}


def _forward_of(pool: Pool, worn: list[Any]) -> Callable[[], object]:
    """Forwards of eight rows that keep what they wear; each is gathered at its first."""
    with _desk(pool, rows=8) as desk:
        for number, loras in enumerate(worn):
            spec = recipe(seed=number, images=1, steps=3, guidance=1.0, loras=loras)
            desk.admit(spec, f"job-{number}")
        desk.steps(1)
        (cohort,) = desk.engine.cohorts.values()
    rows = (cohort.latents, cohort.moments[0], cohort.laid, 0)

    @torch.inference_mode()
    def forward() -> object:
        return cohort.family.denoise(*rows)

    return forward


def _seconds(forward: Callable[[], object]) -> float:
    forward()
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        forward()
        best = min(best, time.perf_counter() - started)
    return best


# --- memory --------------------------------------------------------------------------------------


def _switch() -> dict[str, float]:
    """Two checkpoints, room for one: each `get` brings the other back from the host."""
    catalog = read_catalog(SHARED / "catalog.toml")
    units = (UNITS, UNITS // 8, UNITS // 8)
    builds: Any = {
        name: ("sd15", lambda dtype: Tiny(units, dtype)) for name in ("home", "one", "other")
    }
    pool = pool_of(catalog, builds, budget=2**62, host=2**62)
    size = max(pool.get(name).bytes for name in builds)
    pool.resize(2 * size + size // 2)
    pool.trim()
    ratios = [_brought(pool, name) / _copied(size) for name in ("one", "other") * ROUNDS]
    return {"switch": statistics.median(ratios[2:])}


def _brought(pool: Pool, name: str) -> float:
    started = time.perf_counter()
    pool.get(name)
    return time.perf_counter() - started


def _copied(size: int) -> float:
    source, target = torch.ones(size // 4), torch.empty(size // 4)
    started = time.perf_counter()
    target.copy_(source)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
