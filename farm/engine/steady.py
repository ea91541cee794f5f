"""On a CPU: the same row gives the same bits whatever rows run beside it.

Libraries choose a kernel by the size of the batch, and kernels differ in the last bit; a rounded
pixel then depends on a neighbour. Pointwise convolutions and the timestep's linear layers are the
ones that do, so each of their rows is multiplied by itself. It costs nothing measurable. Batches of
one row differ still: `at_least_two` makes them two. With 1 and 2 threads the bits are equal; with
more, a chunk's last elements may still differ in the last bit.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def make_steady(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and _is_pointwise(layer):
            vars(layer)["forward"] = _pointwise(layer)
        elif isinstance(layer, nn.Linear):
            vars(layer)["forward"] = _linear(layer, layer.forward)


def at_least_two(rows: Tensor) -> Tensor:
    return rows if rows.shape[0] > 1 else rows.repeat(2, *(1,) * (rows.dim() - 1))


def _is_pointwise(layer: nn.Conv2d) -> bool:
    plain = layer.stride == (1, 1) and layer.padding == (0, 0) and layer.groups == 1
    return layer.kernel_size == (1, 1) and plain


def _pointwise(layer: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    def forward(rows: Tensor) -> Tensor:
        count, _, height, width = rows.shape
        weight = layer.weight.flatten(1).expand(count, -1, -1)
        mixed = torch.bmm(weight, rows.flatten(2)) if layer.bias is None else _biased(rows, weight)
        return mixed.view(count, -1, height, width)

    def _biased(rows: Tensor, weight: Tensor) -> Tensor:
        assert layer.bias is not None
        return torch.baddbmm(layer.bias[None, :, None], weight, rows.flatten(2))

    return forward


def _linear(layer: nn.Linear, plain: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def forward(rows: Tensor) -> Tensor:
        if rows.dim() != 2:
            return plain(rows)
        weight = layer.weight.t().expand(rows.shape[0], -1, -1)
        mixed = torch.bmm(rows[:, None], weight)[:, 0]
        return mixed if layer.bias is None else mixed + layer.bias

    return forward
