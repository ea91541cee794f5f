"""How much memory there is and how much things take, measured from the tensors themselves."""

import ctypes
import gc
import json
import os
import struct
import sys
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
HOST_SHARE = 0.6  # other programs, the page cache and pictures on their way live there too
DEVICE_SHARE = 0.92  # CUDA's own context and cuBLAS workspaces are in no ledger


@dataclass(frozen=True, slots=True)
class Memory:
    free: int
    total: int


def device_memory(device: str) -> Memory:
    """Of the GPU as its driver sees it; of the host for any other device."""
    if device.startswith("cuda"):
        return Memory(*torch.cuda.mem_get_info(device))
    return host_memory()


def host_memory() -> Memory:
    """What programs may still take, also inside a container with a limit of its own."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        free, total = (int(lines[name].split()[0]) << 10 for name in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError):  # not a Linux: the half of what is built in is a cautious guess
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        free = total // 2
    limit = _cgroup_limit()
    return limit if limit and limit.free < free else Memory(free, total)


def _cgroup_limit() -> Memory | None:
    try:
        most, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no such file, or the word "max": no limit
        return None
    return Memory(max(0, most - used), most)


def device_budget(device: str) -> int:
    """For all that the pool keeps on the device, unless the operator says otherwise."""
    share = DEVICE_SHARE if device.startswith("cuda") else HOST_SHARE
    return int(device_memory(device).free * share)


def host_budget(device: str) -> int:
    """For copies on the host. On a CPU they would be second copies in the same memory: none."""
    return int(host_memory().free * HOST_SHARE) if device.startswith("cuda") else 0


def give_back(device: str) -> int:
    """What allocators keep for later, to the device or the system; bytes, where they can be told."""
    gc.collect()
    if device.startswith("cuda"):
        before = torch.cuda.memory_reserved(device)
        torch.cuda.empty_cache()
        return before - torch.cuda.memory_reserved(device)
    if sys.platform == "linux":
        with suppress(AttributeError):  # only glibc keeps, and has a word for it
            ctypes.CDLL(None).malloc_trim(0)
    return 0


# --- weights ---------------------------------------------------------------------------------


def announced_bytes(weights: Path, dtype: torch.dtype) -> dict[str, int]:
    """By component, what safetensors headers promise once it is all `dtype`; reads no tensor.

    `weights` is a diffusers folder or one file. Variants of the same file count once.
    """
    if weights.is_file():
        return {weights.stem: _announced(weights, dtype)}
    sizes: dict[tuple[str, str], int] = defaultdict(int)
    for path in sorted(weights.rglob("*.safetensors")):
        name = path.parent.relative_to(weights).as_posix(), path.name.split(".")[0]
        sizes[name] = max(sizes[name], _announced(path, dtype))
    parts: dict[str, int] = defaultdict(int)
    for (part, _), size in sizes.items():
        parts[part] += size
    return dict(parts)


def _announced(path: Path, dtype: torch.dtype) -> int:
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(min(length, path.stat().st_size)))
    header.pop("__metadata__", None)
    return sum(_cast(entry, dtype) for entry in header.values())


def _cast(entry: Mapping[str, Any], dtype: torch.dtype) -> int:
    start, end = entry["data_offsets"]
    wide = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(entry["dtype"])
    size = int(end - start)
    return size if wide is None else size * dtype.itemsize // wide


# --- activations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Activation:
    """What a forward takes beside its weights: `fixed` whatever the rows, and `per_row`."""

    fixed: int
    per_row: int

    def rows_within(self, room: int) -> int:
        """Never under one: whether that one fits is found out by trying."""
        return max(1, (room - self.fixed) // max(1, self.per_row))


def measure_activation(
    forward: Callable[[int], object], device: str, *, rows: int = 4
) -> Activation:
    """From two forwards, of one row and of `rows`."""
    one = peak_bytes(lambda: forward(1), device)
    many = peak_bytes(lambda: forward(rows), device)
    per_row = max(0, many - one) // (rows - 1)
    return Activation(fixed=max(0, one - per_row), per_row=per_row)


def peak_bytes(work: Callable[[], object], device: str) -> int:
    """The most that `work` held at once beyond what was there before it."""
    if not device.startswith("cuda"):
        with _Living() as living:
            work()
        return living.peak
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


class _Living(TorchDispatchMode):
    """Counts the storages that operators make, until each is freed; a kernel's scratch is unseen.

    The CPU's allocator keeps no statistics of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._known.update(_pointers((args, kwargs)))
        answer = func(*args, **(kwargs or {}))
        for one in tree_leaves(answer):
            if isinstance(one, Tensor):
                self._count(one.untyped_storage())
        return answer

    def _count(self, storage: torch.UntypedStorage) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known:
            return
        self._known.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


def _pointers(values: Any) -> set[int]:
    found = (one for one in tree_leaves(values) if isinstance(one, Tensor))
    return {one.untyped_storage().data_ptr() for one in found}
