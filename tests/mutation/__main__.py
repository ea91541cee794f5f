"""`make mutation`: takes each guard away in turn, and shows the test that turns red for it.

`python -m tests.mutation [word ...]` tries the guards whose names hold one of the words. Ends with 1 when
a guard's absence went unnoticed, or when the tests are not green to begin with.
"""

import os
import queue
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutation.guards import ROOT, Guard, read_guards
from tests.mutation.trial import Outcome, Verdict, copy_of, run_tests, try_without

AT_ONCE = 2  # each has a Postgres and a Redis of its own


def main(words: Sequence[str]) -> int:
    guards = [one for one in read_guards() if not words or any(word in one.name for word in words)]
    if not guards:
        print("There is no such guard.")
        return 1
    with tempfile.TemporaryDirectory(prefix="pictor-mutation-") as folder:
        trees = [copy_of(ROOT, Path(folder) / str(number)) for number in range(AT_ONCE)]
        return _tried(guards, trees) if _green(guards, trees[0]) else 1


def _green(guards: Sequence[Guard], tree: Path) -> bool:
    tests = list(dict.fromkeys(test for guard in guards for test in guard.tests))
    began = time.monotonic()
    code, said = run_tests(tree, tests)
    print(f"{len(tests)} tests with every guard in place: {'red' if code else 'green'}", end=", ")
    print(f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}\n", flush=True)
    if code:
        print(said)
    return code == 0


def _tried(guards: Sequence[Guard], trees: Sequence[Path]) -> int:
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def attempt(guard: Guard) -> Verdict:
        tree = free.get()
        try:
            return try_without(guard, tree)
        finally:
            free.put(tree)

    print(f"{'guard':<42} {'taken out of':<36} {'seconds':>7}  turns red")
    with ThreadPoolExecutor(len(trees)) as pool:
        verdicts = list(map(_tell, pool.map(attempt, guards)))
    caught = sum(one.outcome is Outcome.CAUGHT for one in verdicts)
    print(f"\n{caught} of {len(verdicts)} guards are missed by a test when they are gone.")
    return 0 if caught == len(verdicts) else 1


def _tell(verdict: Verdict) -> Verdict:
    guard, told = verdict.guard, verdict.told
    if verdict.outcome is not Outcome.CAUGHT:
        told = f"{verdict.outcome.upper()} {told}"
    print(f"{guard.name:<42} {guard.path:<36} {verdict.seconds:>7.1f}  {told}", flush=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
