"""Counted, not timed: what the kernel has to clear for the second use of the same memory."""

import subprocess
import sys

CODE = """
import resource, sys
import torch
from farm.engine.heap import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    torch.ones(40 * 2**20 // 4)
for _ in range(16):  # the heap may have several places for it, each cleared once
    use()
before = faults()
for _ in range(20):
    use()
print(faults() - before)
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", CODE, how]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(told.stdout)


def test_memory_that_was_freed_is_used_again_without_the_kernel() -> None:
    assert 5 * faults("kept") < faults("given back")
