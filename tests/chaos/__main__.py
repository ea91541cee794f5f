"""`python -m tests.chaos --jobs N --faults N --seed S`: a farm under fire, and what became of its promises.

The exit code says whether every one was kept. The same seed gives the same wishes and the same blows.
"""

import argparse
import asyncio
import csv
import os
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.checker import judge
from tests.chaos.checkpixels import strays
from tests.chaos.run import Order, Outcome, run

MEMORY = Path("/dev/shm")
SHOWN = 3
ENOUGH = 0.9  # of the planned blows: a run that was spared has proved less than it says


def main() -> int:
    options = _options()
    order = Order(options.jobs, options.faults, options.seed, options.visitors)
    parent = MEMORY if MEMORY.is_dir() else None  # thousands of files that nobody wants afterwards
    print(f"seed {order.seed}: {order.jobs} jobs, {order.faults} faults ...", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="pictor-c", dir=parent))
    passed = False
    try:
        outcome = asyncio.run(run(order, folder))
        passed = report(outcome)
        if options.csv:
            append(options.csv, outcome)
    finally:
        if passed or not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"kept: {folder}")
    return 0 if passed else 1


def report(outcome: Outcome) -> bool:
    order, evidence = outcome.order, outcome.evidence
    jobs, load = len(evidence.jobs), os.getloadavg()[0]
    states = Counter(row["state"] for row in evidence.jobs.values())
    print(
        f"{jobs} jobs ({order.visitors} by the bot), {outcome.struck} of"
        f" {order.faults} faults, {outcome.seconds:.0f} s, load {load:.1f}"
    )
    print("ends:   " + ", ".join(f"{state} {count}" for state, count in sorted(states.items())))
    print("faults: " + ", ".join(f"{kind} {count}" for kind, count in _kinds(outcome)))
    spent = outcome.effort
    print(
        f"processor: {spent.total()} s ({spent.total() / max(jobs, 1) * 1000:.0f} ms a job): "
        + ", ".join(f"{name} {seconds}" for name, seconds in spent.most_common())
    )
    print(f"files that no row names: {len(strays(evidence))}")
    broken = judge(evidence)
    for rule, found in broken.items():
        print(f"  {'ok ' if not found else 'NO '} {rule:24} {len(found)}")
        for sentence in found[:SHOWN]:
            print(f"        {sentence}")
    spared = outcome.struck < ENOUGH * order.faults
    if spared:
        print("NO: too many faults found nobody to strike")
    kept = not any(broken.values()) and not spared
    if kept:
        print(f"passed: each rule 0 of {jobs}, so below {3 / jobs:.1e} with 95% confidence (3/n)")
    return kept


def append(target: Path, outcome: Outcome) -> None:
    """One line a run; `broken` counts what the judge found."""
    row = {
        "day": datetime.now(UTC).date().isoformat(),
        "seed": outcome.order.seed,
        "jobs": len(outcome.evidence.jobs),
        "by_bot": outcome.order.visitors,
        "faults": outcome.order.faults,
        "struck": outcome.struck,
        "seconds": round(outcome.seconds),
        "processor_s": outcome.effort.total(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "broken": sum(map(len, judge(outcome.evidence).values())),
    }
    is_new = not target.exists()
    with target.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _kinds(outcome: Outcome) -> list[tuple[str, int]]:
    done = Counter(blow["kind"] for blow in outcome.evidence.blows if blow["done"])
    missed = Counter(blow["kind"] for blow in outcome.evidence.blows if not blow["done"])
    return sorted(done.items()) + [(f"(missed) {kind}", n) for kind, n in sorted(missed.items())]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--visitors", type=int, default=60, help="jobs that come through the bot")
    parser.add_argument("--csv", type=Path, help="a line for this run is added to it")
    parser.add_argument("--keep", action="store_true", help="keep data and logs of a failed run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
