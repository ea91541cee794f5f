"""What snapshots cost: the engine with one every step and every 10, against none, by turns.

`loop` is time on the engine's own thread, which is what a GPU would wait for. `whole` is the wall
time, writer thread included: on a machine whose cores are all busy it takes its share of one.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from farm.engine.memory.pool import Pool
from shared.catalog import read_catalog
from shared.config import SHARED
from tests.farm.engine.desk import PROMPTS, Desk, recipe

SEED = 11
ROUNDS = 7
STEPS = 30
THREADS = 1
EVERY = (1, 5, 10)


def main() -> list[dict[str, float]]:
    torch.set_num_threads(THREADS)
    pool = Pool(read_catalog(SHARED / "catalog.toml"), device="cpu")
    pool.get("postcards")
    _render(pool, every=1)
    rounds = [{every: _render(pool, every=every) for every in (0, *EVERY)} for _ in range(ROUNDS)]
    load = os.getloadavg()[0]
    print(
        f"2 jobs of 4 pictures, {STEPS} steps, {THREADS} threads, n {ROUNDS}, seed {SEED}, load {load:.1f}"
    )
    return [_tell(rounds, every) for every in EVERY]


def _tell(rounds: list[dict[int, tuple[float, float, int]]], every: int) -> dict[str, float]:
    loop, whole = (
        statistics.median(turn[every][which] / turn[0][which] - 1 for turn in rounds)
        for which in (0, 1)
    )
    size = rounds[0][every][2]
    print(
        f"every {every:>2} steps: loop {loop:+7.2%}   whole {whole:+7.2%}   {size / 1024:.0f} KiB each"
    )
    return {"every": every, "loop": loop, "whole": whole, "bytes": size}


def _render(pool: Pool, *, every: int) -> tuple[float, float, int]:
    """CPU seconds of the engine's thread, wall seconds with the last write, bytes of a snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(pool, Path(folder))
        for number, prompt in enumerate(PROMPTS[:2]):
            spec = recipe(prompt, seed=SEED + number, images=4, steps=STEPS)
            desk.admit(spec, f"job-{number}", snapshot_every=every)
        cpu, wall = time.thread_time(), time.perf_counter()
        desk.steps(STEPS - 1)
        took = time.thread_time() - cpu
        desk.engine.snapshots.flush()
        whole = time.perf_counter() - wall
        sizes = [path.stat().st_size for path in Path(folder).rglob("*.snapshot")]
        desk.finish()
    return took, whole, max(sizes, default=0)


if __name__ == "__main__":
    main()
