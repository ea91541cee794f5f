"""Processor seconds of every process of a run, by name: on a busy machine they say more than the clock."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Mapping

import psutil

EVERY_S = 1.0


class Effort:
    """Samples a tree of processes; what one used after its last sample, and before its end, is missed."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, int], float] = {}

    async def sample(self, roots: Mapping[str, int | None]) -> None:
        for name, pid in roots.items():
            with contextlib.suppress(psutil.Error):
                if pid is not None:
                    self._add(name, psutil.Process(pid))
        await asyncio.sleep(EVERY_S)

    def by_name(self) -> Counter[str]:
        sums: dict[str, float] = defaultdict(float)
        for (name, _), seconds in self._used.items():
            sums[name.rstrip("0123456789")] += seconds
        return Counter({name: round(seconds) for name, seconds in sums.items()})

    def _add(self, name: str, root: psutil.Process) -> None:
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                self._used[name, process.pid] = times.user + times.system
