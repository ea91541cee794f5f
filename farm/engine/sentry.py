"""Which rows stopped being numbers, learnt without waiting for the device.

On a GPU each step's flags travel to pinned memory behind the step and are read once they have
arrived, a step later; a row that broke stays broken, so nothing is missed meanwhile. The flags'
arrival also paces the loop: without it steps would pile up on the device, whoever joins would wait
for all of them, and the time that the loop sees would not be the device's.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from farm.engine.trajectory import Trajectory

AHEAD = 1  # steps that wait on the device behind the one it works at: it is never idle for the loop


class Sentry:
    def __init__(self) -> None:
        self._under_way: deque[tuple[Any, Tensor, tuple[Trajectory, ...]]] = deque()

    def look(self, sound: Tensor, members: Sequence[Trajectory]) -> None:
        if sound.device.type != "cuda":
            self._under_way.append((None, sound, tuple(members)))
            return
        flags = torch.empty(sound.shape, dtype=torch.bool, pin_memory=True)
        flags.copy_(sound, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(sound.device))
        self._under_way.append((arrived, flags, tuple(members)))
        if len(self._under_way) > AHEAD:
            self._under_way[-1 - AHEAD][0].synchronize()

    def broken(self) -> list[Trajectory]:
        """Those known by now to have broken, once each."""
        found: dict[int, Trajectory] = {}
        while self._under_way and _has_arrived(self._under_way[0][0]):
            _, flags, members = self._under_way.popleft()
            for good, one in zip(flags.tolist(), members, strict=True):
                if not good:
                    found[id(one)] = one
        return list(found.values())


def _has_arrived(event: Any) -> bool:
    return event is None or bool(event.query())
