"""A checkpoint's tensors between host and device: each component is one block of memory.

On a GPU the host's blocks are pinned and stay while the device has its own, so a switch is one copy
in one direction, and leaving the device costs nothing. Large blocks also leave no holes behind.
On a CPU both kinds of block are the same memory: a switch is a copy within it, exactly as many
bytes, and gains nothing; the pool therefore keeps no host copies there unless it is told to.
"""

import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from farm.engine.families import Family

log = logging.getLogger(__name__)

ALIGNMENT = 256  # bytes, as CUDA's own allocations are
DOORS = ("forward", "encode", "decode")  # by which a component is used


def host_block(size: int, *, pinned: bool) -> Tensor:
    """Pinned exactly: torch's own pinned memory is rounded up to a power of two."""
    block = torch.empty(size, dtype=torch.uint8)
    if pinned and size:
        _pin(block)
    return block


def _pin(block: Tensor) -> None:
    """Unpinned again before its memory is freed. Where the system allows no more, copies are slower."""
    cudart = torch.cuda.cudart()
    if int(cudart.cudaHostRegister(block.data_ptr(), block.nbytes, 1)):
        log.warning("No %d bytes of pinned memory: raise the limit on locked memory.", block.nbytes)
        return
    weakref.finalize(block.untyped_storage(), cudart.cudaHostUnregister, block.data_ptr())


def device_block(size: int, device: str) -> Tensor:
    return torch.empty(size, dtype=torch.uint8, device=device)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where in a block a tensor begins, in its own elements."""

    tensor: Tensor
    place: int

    @classmethod
    def of(cls, tensor: Tensor, start: int) -> "Slot":
        """`start` is where its storage begins in the block, in bytes."""
        return cls(tensor, start // tensor.element_size() + int(tensor.storage_offset()))

    @torch.inference_mode(False)
    def point(self, block: Tensor) -> None:
        kept = self.tensor
        view = torch.empty(0, dtype=kept.dtype, device=block.device)
        kept.data = view.set_(block.untyped_storage(), self.place, kept.size(), kept.stride())


class Crate:
    """One component. Its tensors lie in the device's block while there is one, else in the host's."""

    def __init__(self, module: nn.Module, *, pinned: bool) -> None:
        self.module = module
        self._storages = _storages(module)
        starts = _starts(self._storages.values())
        self.size = packed_size(module)
        self.slots = [Slot.of(one, starts[_place(one)]) for one in _unique(module)]
        self.host: Tensor | None = host_block(self.size, pinned=pinned)
        self.device: Tensor | None = None
        self._fill(self.host, starts)

    def _fill(self, block: Tensor, starts: Mapping[int, int]) -> None:
        for place, storage in self._storages.items():
            raw = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
            block[starts[place] : starts[place] + storage.nbytes()].copy_(raw)
        del self._storages
        self._point(block)

    def copy_to(self, block: Tensor) -> None:
        assert self.host is not None, "what is on the device alone has no need to be brought"
        block.copy_(self.host, non_blocking=True)

    def stay(self, block: Tensor) -> None:
        self.device = block
        self._point(block)

    def used(self) -> None:
        """By the present stream, whose work may end later: until then nobody is given its memory."""
        if self.device is not None and self.device.is_cuda:
            self.device.record_stream(torch.cuda.current_stream(self.device.device))

    def let_go(self) -> None:
        assert self.host is not None, "what is on the device alone is ended, not let go"
        self._point(self.host)
        self.device = None

    def _point(self, block: Tensor) -> None:
        for slot in self.slots:
            slot.point(block)


def bring(crates: Iterable[Crate], device: str) -> None:
    """Returns when all is there. The device's own work goes on meanwhile."""
    moving = [(one, device_block(one.size, device)) for one in crates if one.device is None]
    with _beside(device):
        for crate, block in moving:
            crate.copy_to(block)
        for crate, block in moving:  # thousands of tensors: while the copies are on their way
            crate.stay(block)


@contextmanager
def _beside(device: str) -> Iterator[None]:
    """On a stream of its own, which waits for whoever used the memory before."""
    if not device.startswith("cuda"):
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()


def empty(modules: Mapping[str, nn.Module]) -> None:
    """Frees the memory now: modules hold each other in circles and would wait for the collector."""
    for module in modules.values():
        for tensor in _unique(module):
            tensor.data = torch.empty(0, dtype=tensor.dtype)


def packed_size(module: nn.Module) -> int:
    """Of the block that holds it: its storages, each beginning at a multiple of ALIGNMENT."""
    return sum(_aligned(one.nbytes()) for one in _storages(module).values())


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _unique(module: nn.Module) -> list[Tensor]:
    return list({id(one): one for one in chain(module.parameters(), module.buffers())}.values())


def _storages(module: nn.Module) -> dict[int, torch.UntypedStorage]:
    return {_place(one): one.untyped_storage() for one in _unique(module)}


def _starts(storages: Iterable[torch.UntypedStorage]) -> dict[int, int]:
    starts, end = {}, 0
    for storage in storages:
        starts[storage.data_ptr()] = end
        end += _aligned(storage.nbytes())
    return starts


# --- a whole checkpoint ----------------------------------------------------------------------


class Lodgings:
    """All components of one checkpoint. Some may be away: they visit the device one at a time."""

    def __init__(self, modules: Mapping[str, nn.Module], device: str) -> None:
        self.device = device
        pinned = device.startswith("cuda")
        self.crates = {name: Crate(one, pinned=pinned) for name, one in modules.items()}
        self.away: frozenset[str] = frozenset()
        self._inside: Counter[str] = Counter()
        self._door = threading.Condition()

    @property
    def parts(self) -> dict[str, int]:
        return {name: crate.size for name, crate in self.crates.items()}

    def move_in(self, away: Collection[str] = ()) -> None:
        self.away = frozenset(away)
        bring((one for name, one in self.crates.items() if name not in away), self.device)

    def move_out(self) -> None:
        """Whoever calls this knows that nobody works with it."""
        for crate in self.crates.values():
            crate.let_go()
        self.away = frozenset()

    def give_up_host(self) -> None:
        """While all of it is on the device."""
        for crate in self.crates.values():
            crate.host = None

    def close(self) -> None:
        for crate in self.crates.values():
            crate.host = crate.device = None

    def send_away(self, names: Collection[str]) -> None:
        """Waits for those that are at work."""
        with self._door:
            self._door.wait_for(lambda: not any(self._inside[name] for name in names))
            for name in names:
                self.crates[name].let_go()
            self.away |= frozenset(names)

    def call_back(self) -> None:
        with self._door:
            bring((self.crates[name] for name in self.away), self.device)
            self.away = frozenset()

    @contextmanager
    def visit(self, name: str) -> Iterator[None]:
        with self._door:
            self._door.wait_for(lambda: not self._taken(name))
            self._inside[name] += 1
            self._receive(name)
        try:
            yield
        finally:
            with self._door:
                self.crates[name].used()
                self._inside[name] -= 1
                self._door.notify_all()

    def _taken(self, name: str) -> bool:
        return name in self.away and any(self._inside[one] for one in self.away - {name})

    def _receive(self, name: str) -> None:
        """The visitor before leaves only now: the next one is often the same."""
        if name not in self.away:
            return
        for other in self.away - {name}:
            self.crates[other].let_go()
        bring([self.crates[name]], self.device)

    def watch(self, names: Collection[str]) -> None:
        """From now on every use of these components is a visit."""
        for name in names:
            for door in DOORS:
                self._watch(name, door)

    def _watch(self, name: str, door: str) -> None:
        module = self.crates[name].module
        plain: Callable[..., Any] | None = getattr(module, door, None)
        if plain is None:
            return

        @wraps(plain)
        def use(*args: Any, **kwargs: Any) -> Any:
            with self.visit(name):
                return plain(*args, **kwargs)

        vars(module)[door] = use


def settle(family: Family, device: str) -> None:
    """A family that was built on the host takes the device as its own.

    What makes a CPU's rows steady is taken off again: it belongs to the CPU only.
    """
    if family.device.type == torch.device(device).type:
        return
    family.device = torch.device(device)
    vars(family).update({"steady": False} if "steady" in vars(family) else {})
    for module in family.modules.values():
        for layer in module.modules():
            vars(layer).pop("forward", None)
