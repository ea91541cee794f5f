"""What the device can do at best, and a clock that waits for it."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from farm.engine.weights.checkpoints import compile_blocks

SIDE = 8192  # of the matrices whose product is the ceiling: large enough for any GPU's best
SHAPES = 64  # kinds of shapes that one block is compiled for: widths of a UNet, one row and many


def wait(device: str) -> None:
    """Until all that was asked of it is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: str) -> float:
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def ceiling(device: str, dtype: torch.dtype, *, side: int = SIDE, rounds: int = 5) -> float:
    """Floating point operations a second in one large product of matrices: no model is faster."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    many = 10  # so that what starts and ends them does not count

    def work() -> None:
        for _ in range(many):
            left @ right

    seconds(work, device)
    took = statistics.median(seconds(work, device) for _ in range(rounds))
    return many * 2 * side**3 / took


@torch.inference_mode()
def operations(forward: Callable[[], object]) -> int:
    """Of products, convolutions and attention, as the kernels' shapes tell."""
    with FlopCounterMode(display=False) as counter:
        forward()
    return int(counter.get_total_flops())


class Compiled:
    """A model whose repeating blocks are compiled inside the context and as they were outside it."""

    def __init__(self, family: Any, *, backend: str = "inductor") -> None:
        torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)
        compile_blocks(family, backend=backend)
        every = [layer for one in family.modules.values() for layer in one.modules()]
        self.calls: dict[nn.Module, Any] = {
            layer: layer._compiled_call_impl for layer in every if layer._compiled_call_impl
        }
        self.__exit__()

    def __enter__(self) -> None:
        for layer, call in self.calls.items():
            layer._compiled_call_impl = call

    def __exit__(self, *_: object) -> None:
        for layer in self.calls:
            layer._compiled_call_impl = None
