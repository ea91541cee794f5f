"""LoRA (arXiv 2106.09685) for each row by itself: rows that wear different adapters share a forward.

A layer keeps its own forward and adds each row's low-rank product to what it gives. Ranks are padded
to a few sizes, so that the shapes, and with them whatever was compiled for them, outlive a swap.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from farm.engine.adapters.lorasums import Layer, Worn, sum_for
from farm.engine.families import Loras
from farm.engine.guidance import carried
from shared.errors import Fault, Refusal

LEAST_RANK = 4  # smaller ones cost the same
NOTHING = Worn(torch.empty(0), torch.empty(0))


class Patch(NamedTuple):
    """What one adapter adds to one layer: `scale` · up · down.

    Linear: down (rank, in), up (out, rank). Convolution: down (rank, in, kernel, kernel),
    up (out, rank, 1, 1).
    """

    down: Tensor
    up: Tensor
    scale: float = 1.0


LoraWeights = Mapping[str, Patch]  # by the path of the layer in its model


class Fitted(NamedTuple):
    """A patch as its layer needs it: padded to a rank bucket, scale folded into `up` (rank, out)."""

    down: Tensor
    up: Tensor


@dataclass(frozen=True, slots=True)
class Choice:
    """Which adapters a layer stacks, and where each row finds its own there; place 0 adds nothing."""

    names: tuple[str, ...]
    places: Tensor  # (rows · width,)
    weights: Tensor  # (rows · width,)
    rows: int


class LoraBank:
    """The adapters of one model. Layers that no worn adapter touches run as if there were none.

    They may come and go from another thread than the one that wears and runs them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._layers = dict(model.named_modules())
        self._wearers: dict[Layer, Wearer] = {}
        self._names: set[str] = set()
        self._rows: tuple[Loras, ...] | None = None  # as last gathered, if that still holds
        self._lock = Lock()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    @property
    def bytes(self) -> int:
        """On the model's device: what was put, and what the rows of the moment wear."""
        return sum(wearer.bytes for wearer in self._wearers.values())

    def put(self, name: str, weights: LoraWeights) -> None:
        """Refusal when a layer is missing or of another shape; then nothing has changed.

        Without weights the name is known and adds nothing: the adapter changes other components.
        What rows wear at the moment stays as it is until the next `wear`.
        """
        layers = {path: self._find(path) for path in weights}
        if len(set(layers.values())) < len(layers):
            raise Refusal("lora_wrong_layer", "This LoRA changes one layer twice.")
        fitted = {path: _fit(layers[path], path, weights[path]) for path in weights}
        with self._lock:
            self._forget(name)
            for path, patch in fitted.items():
                layer = layers[path]
                if layer not in self._wearers:
                    self._wearers[layer] = Wearer(layer)
                self._wearers[layer].patches[name] = patch
            self._names.add(name)

    def remove(self, name: str) -> None:
        """Rows that wear it keep it until the next `wear`. Nothing happens where there is none."""
        with self._lock:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._rows = None
        self._names.discard(name)
        for wearer in self._wearers.values():
            wearer.patches.pop(name, None)

    def wear(self, rows: Sequence[Loras]) -> None:
        """For the forwards that follow: one entry a row, () for none. A single entry serves any batch."""
        wanted = tuple(tuple(one for one in row if one[1]) for row in rows)
        with self._lock:
            self._wear(wanted)

    def _wear(self, wanted: tuple[Loras, ...]) -> None:
        missing = {name for row in wanted for name, _ in row} - self._names
        if missing:
            raise Fault("lora_missing", f"The LoRA {min(missing)} is not loaded.")
        if wanted == self._rows:
            return
        self._rows = None  # if gathering fails midway, the next call gathers anew
        choices: dict[tuple[str, ...], Choice] = {}
        for wearer in self._wearers.values():
            names = wearer.names_in(wanted)
            if names and names not in choices:
                choices[names] = _choose(wanted, names, like=wearer.layer.weight)
            wearer.wear(choices[names] if names else None)
        self._rows = wanted

    def _find(self, path: str) -> Layer:
        # Text encoders have lost and kept this floor from release to release.
        floor = "text_model."
        for name in (path, path.removeprefix(floor), floor + path):
            if name in self._layers:
                self._check_not_fused(name)
                return _wearable(self._layers[name], name)
        sentence = f"This LoRA changes {path}, which the model does not have. "
        raise Refusal("lora_wrong_layer", sentence + "It is made for another kind of model.")

    def _check_not_fused(self, path: str) -> None:
        parent, _, leaf = path.rpartition(".")
        fused = getattr(self._layers.get(parent), "fused_projections", False)
        if fused and leaf.startswith(("to_q", "to_k", "to_v", "add_")):
            raise Fault("lora_fused", f"The model's {path} is fused, so no LoRA can change it.")


class Wearer:
    """A layer that may wear adapters. `plain` is the forward that it had before."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.plain: Callable[[Tensor], Tensor] = layer.forward
        self.patches: dict[str, Fitted] = {}
        self._sum = sum_for(layer)
        self._gathered: Worn | None = None
        self._laid = NOTHING
        self._count = 0  # of the rows that it is laid out for
        vars(layer)["forward"] = self.forward

    @property
    def bytes(self) -> int:
        held = [*self.patches.values(), *([self._gathered] if self._gathered else [])]
        return sum(one.nbytes for pair in held for one in pair)

    def forward(self, rows: Tensor) -> Tensor:
        given = self.plain(rows)
        if self._gathered is None:
            return given
        if len(rows) != self._count:
            self._lay(self._gathered, len(rows))
        return self._sum.add(given, rows, self._laid)

    def _lay(self, gathered: Worn, count: int) -> None:
        if len(gathered.up) not in (1, count):
            sentence = f"Adapters were chosen for {len(gathered.up)} rows, and {count} came."
            raise Fault("lora_rows", sentence)
        spread = Worn(*(one.expand(count, *one.shape[1:]) for one in gathered))
        self._laid, self._count = self._sum.lay(spread), count

    def names_in(self, rows: Sequence[Loras]) -> tuple[str, ...]:
        """Sorted, so that a row's sum has one order whoever runs beside it."""
        return tuple(sorted({name for row in rows for name, _ in row if name in self.patches}))

    def wear(self, choice: Choice | None) -> None:
        # First: the old and the new at once may not fit into memory.
        self._gathered, self._laid = None, NOTHING
        if choice is not None:
            self._gathered = self._gather(choice)
            self._lay(self._gathered, choice.rows)

    def _gather(self, choice: Choice) -> Worn:
        patches = [self.patches[name] for name in choice.names]
        downs, ups = _stack([one.down for one in patches]), _stack([one.up for one in patches])
        chosen = (ups[choice.places] * choice.weights[:, None, None]).to(ups.dtype)
        return Worn(
            downs[choice.places].view(choice.rows, -1, *downs.shape[2:]),
            chosen.view(choice.rows, -1, chosen.shape[-1]),
        )


# --- gathering -------------------------------------------------------------------------------


def _choose(rows: Sequence[Loras], names: tuple[str, ...], *, like: Tensor) -> Choice:
    places = {name: place for place, name in enumerate(names, 1)}
    kept = [sorted((places[name], w) for name, w in row if name in places) for row in rows]
    width = _power_of_two(max(len(row) for row in kept))
    full = [one for row in kept for one in [*row, *[(0, 0.0)] * (width - len(row))]]
    chosen = torch.tensor([place for place, _ in full])
    weights = torch.tensor([weight for _, weight in full], dtype=torch.float32)
    return Choice(names, carried(chosen, like.device), carried(weights, like.device), len(rows))


def _stack(parts: Sequence[Tensor]) -> Tensor:
    """Nothing first, then the parts, all of the largest one's rank: (1 + parts, rank, ...)."""
    rank = max(len(part) for part in parts)
    widest = next(part for part in parts if len(part) == rank)
    nothing = widest.new_zeros(1).expand(widest.shape)
    return torch.stack([nothing, *(_pad(part, rank) for part in parts)])


def _pad(part: Tensor, rank: int) -> Tensor:
    return (
        part
        if len(part) == rank
        else F.pad(part, (0, 0) * (part.dim() - 1) + (0, rank - len(part)))
    )


def _power_of_two(count: int) -> int:
    return 1 << (count - 1).bit_length()


# --- fitting ---------------------------------------------------------------------------------


def _fit(layer: Layer, path: str, patch: Patch) -> Fitted:
    """On the layer's device and of its dtype."""
    weight = layer.weight
    rank = patch.down.shape[0] if patch.down.dim() > 1 else 0
    _check_shape(path, patch.down, (rank, *weight.shape[1:]))
    _check_shape(path, patch.up, (weight.shape[0], rank))
    bucket = max(LEAST_RANK, _power_of_two(rank))
    down = patch.down.reshape(rank, *weight.shape[1:]).to(weight.dtype)
    up = (patch.up.reshape(-1, rank).t().double() * patch.scale).to(weight.dtype)
    if not bool(down.isfinite().all() and up.isfinite().all()):
        raise Refusal(
            "lora_too_strong", f"This LoRA's {path} is too large for the model's numbers."
        )
    return Fitted(_pad(down, bucket).to(weight.device), _pad(up, bucket).to(weight.device))


def _wearable(layer: nn.Module, path: str) -> Layer:
    if isinstance(layer, nn.Linear):
        return layer
    if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros":
        return layer
    sentence = f"This LoRA changes {path}, which is neither a linear layer nor a plain convolution."
    raise Refusal("lora_wrong_layer", sentence)


def _check_shape(path: str, found: Tensor, wanted: Sequence[int]) -> None:
    """Ones at the end do not count: a pointwise convolution is a linear layer to some trainers."""
    if _trimmed(found.shape) != _trimmed(wanted):
        shapes = f"{_shown(found.shape)}, and the model's is {_shown(wanted)}"
        sentence = f"This LoRA's {path} is {shapes}. It is made for another kind of model."
        raise Refusal("lora_wrong_shape", sentence)


def _trimmed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape) if any(one != 1 for one in shape[2:]) else tuple(shape[:2])


def _shown(shape: Sequence[int]) -> str:
    return " x ".join(str(one) for one in shape)
