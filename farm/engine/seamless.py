"""Pictures whose edges meet: convolutions that look around the edge, in those forwards that ask for it.

Attention knows no place in the U-Nets and autoencoders of sd15 and sdxl, so what is beside what is told
by convolutions alone. Their weights are shared with every other job; only the padding differs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

LAYOUT_FOUND = (
    0.45  # of the training timesteps: above it a model decides what is up and what is down
)

Convolve = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class Around(IntEnum):
    """What a forward sees beyond the edge: nothing, the other side, or also the other end."""

    NOT = 0
    SIDES = 1
    ALL = 2


# Of each thread: pictures are decoded and prepared beside the loop.
_around: ContextVar[Around] = ContextVar("around", default=Around.NOT)


@contextmanager
def wrapping(around: Around) -> Iterator[None]:
    """Within it the convolutions made ready by `make_seamless` look so far around the edge."""
    before = _around.set(around)
    try:
        yield
    finally:
        _around.reset(before)


def make_seamless(model: nn.Module) -> None:
    """Once is enough. Outside of `wrapping` the same bits as before come out."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and any(layer._reversed_padding_repeated_twice):
            vars(layer).setdefault("_conv_forward", _looking_around(layer, layer._conv_forward))


def _looking_around(layer: nn.Conv2d, plain: Convolve) -> Convolve:
    left, right, top, bottom = layer._reversed_padding_repeated_twice

    def convolve(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        around = _around.get()
        if around is Around.NOT:
            return plain(rows, weight, bias)
        wide = pad(rows, (left, right, 0, 0), mode="circular")
        ends = "circular" if around is Around.ALL else "constant"
        whole = pad(wide, (0, 0, top, bottom), mode=ends)
        return conv2d(whole, weight, bias, layer.stride, 0, layer.dilation, layer.groups)

    return convolve


def meets_from(timesteps: Sequence[float], trained: int) -> int:
    """The evaluation from which top and bottom meet too.

    A model that learned from its padding which end is the sky draws nothing but sky without it.
    """
    late = (step for step, moment in enumerate(timesteps) if moment < LAYOUT_FOUND * trained)
    return next(late, len(timesteps))
