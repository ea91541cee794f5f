"""What the device has left for a forward, and what the last one took. A CPU is not asked."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from farm.engine.memory.measures import host_memory

TIGHT = 0.05  # of the device: below it parked pictures rest on the host
HOST_TIGHT = 0.04  # of the host: below it parked jobs rest on the disk


class Headroom:
    def __init__(self, device: str) -> None:
        self._device = torch.device(device) if device.startswith("cuda") else None
        self.taken = 0  # bytes, at most, by the last forward

    @property
    def free_bytes(self) -> int | None:
        """The device's own and what torch holds without using it; None where it is not counted."""
        if self._device is None:
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        held = torch.cuda.memory_reserved(self._device)
        return free + held - torch.cuda.memory_allocated(self._device)

    @property
    def tight(self) -> bool:
        free = self.free_bytes
        if self._device is None or free is None:
            return False
        return free < TIGHT * torch.cuda.get_device_properties(self._device).total_memory

    @property
    def host_tight(self) -> bool:
        """Reads files of the kernel's: not for every step."""
        host = host_memory()
        return host.free < HOST_TIGHT * host.total

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Asks the allocator's books, not the device: nobody waits."""
        if self._device is None:
            yield
            return
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        yield
        self.taken = max(0, torch.cuda.max_memory_allocated(self._device) - before)
