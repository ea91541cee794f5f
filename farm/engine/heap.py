"""On a CPU: memory that a forward gave back is kept for the next one.

A batch's activations are megabytes each. The C library asks the kernel for such pieces anew every
time and gives them back at once; the kernel then clears every page again. At 16 rows that is a
third of a forward.
"""

import ctypes

TRIM, MAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's mallopt(3)
KEPT = 256 * 2**20


def keep_freed_memory() -> bool:
    """False where the C library has no such setting (musl, macOS): then nothing is changed."""
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is None:
        return False
    return all(setting(option, KEPT) == 1 for option in (TRIM, MAP))
