"""up · down · rows, for each row with matrices of its own, added to what the layer itself gives.

What the layer gives is nobody else's yet, so the sum may lie where it lies.
"""

from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Layer = nn.Linear | nn.Conv2d


class Worn(NamedTuple):
    """Of every row: down (rows, rank, in...), up (rows, rank, out), until a sum has laid them out."""

    down: Tensor
    up: Tensor


class Sum(Protocol):
    def lay(self, worn: Worn) -> Worn:
        """As `add` reads them: once for many forwards."""
        ...

    def add(self, given: Tensor, rows: Tensor, worn: Worn) -> Tensor: ...


def sum_for(layer: Layer) -> Sum:
    if isinstance(layer, nn.Linear):
        return LinearSum()
    pointwise = layer.kernel_size == (1, 1) and layer.stride == (1, 1) and layer.padding == (0, 0)
    return PointSum() if pointwise else ConvSum(layer)


class LinearSum:
    def lay(self, worn: Worn) -> Worn:
        return Worn(worn.down.transpose(1, 2), worn.up)

    def add(self, given: Tensor, rows: Tensor, worn: Worn) -> Tensor:
        """Rows (n, features) or (n, tokens, features)."""
        if rows.dim() == 3:
            return given.baddbmm_(torch.bmm(rows, worn.down), worn.up)
        inner = torch.bmm(rows.reshape(len(rows), -1, rows.shape[-1]), worn.down)
        flat = given.reshape(len(rows), -1, given.shape[-1])
        return flat.baddbmm_(inner, worn.up).view(given.shape)


class PointSum:
    """A pointwise convolution: a linear layer whose features come first."""

    def lay(self, worn: Worn) -> Worn:
        return Worn(worn.down.flatten(2), worn.up.transpose(1, 2))

    def add(self, given: Tensor, rows: Tensor, worn: Worn) -> Tensor:
        inner = torch.bmm(worn.down, rows.flatten(2))
        return given.flatten(2).baddbmm_(worn.up, inner).view(given.shape)


class ConvSum:
    """Every row is a group of one convolution, so that none meets another's adapter."""

    def __init__(self, layer: nn.Conv2d) -> None:
        self.stride: Any = layer.stride
        self.padding: Any = layer.padding
        self.dilation: Any = layer.dilation

    def lay(self, worn: Worn) -> Worn:
        return Worn(worn.down.flatten(0, 1), worn.up.transpose(1, 2))

    def add(self, given: Tensor, rows: Tensor, worn: Worn) -> Tensor:
        count, _, height, width = rows.shape
        groups = rows.reshape(1, -1, height, width)
        inner = self._convolve(groups, worn.down, groups=count)
        inner = inner.view(count, worn.up.shape[2], -1)
        return given.flatten(2).baddbmm_(worn.up, inner).view(given.shape)

    def _convolve(self, rows: Tensor, weight: Tensor, *, groups: int) -> Tensor:
        return F.conv2d(rows, weight, None, self.stride, self.padding, self.dilation, groups)
