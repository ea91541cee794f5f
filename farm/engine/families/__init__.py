"""Model families: siblings with the same verbs. Each file stands alone; they never import each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import torch
from torch import Tensor

from farm.engine.samplers import Sampler
from shared.errors import Fault
from shared.spec import RenderSpec


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Encoded texts (1, tokens, width); `against` is None where guidance needs no second row."""

    towards: Tensor
    against: Tensor | None
    guidance: float

    @property
    def rows(self) -> int:
        return 1 if self.against is None else 2


class Family(Protocol):
    """A loaded checkpoint. Every method works on batches whose rows know nothing of each other."""

    dtype: torch.dtype
    device: torch.device

    def sampler(self, name: str, steps: int) -> Sampler: ...

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        """Of one image: (1, channels, height, width). Fault `bad_spec` when the model cannot."""
        ...

    def encode(self, spec: RenderSpec) -> Conditioning: ...

    def denoise(self, latents: Tensor, moments: Tensor, texts: Tensor) -> Tensor:
        """One forward, each row at its own timestep."""
        ...

    def estimate(self, latents: Tensor, prediction: Tensor, moments: Sequence[float]) -> Tensor:
        """The clean latents that a prediction points at; `latents` as the model saw them."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 pixels (n, height, width, 3) on the CPU. ArithmeticError when they are not finite."""
        ...

    def warm(self) -> None:
        """The first forward costs more than the rest: have it now."""
        ...


FAMILIES = {"sd15": "farm.engine.families.sd15"}

Loader = Callable[..., Family]


def loader(family: str) -> Loader:
    """`load(folder, *, device, dtype)` of a family; a big import, so only when one is wanted."""
    if family not in FAMILIES:
        raise Fault("unknown_family", f"No model family named {family} is built in.")
    module: Any = import_module(FAMILIES[family])
    load: Loader = module.load
    return load
