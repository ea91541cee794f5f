"""Model families: siblings with the same verbs. Each file stands alone; they never import each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from farm.engine.samplers import Sampler
from farm.engine.seamless import Around
from shared.errors import Fault
from shared.spec import RenderSpec

Loras = tuple[tuple[str, float], ...]  # name and weight of each adapter that a row wears


@dataclass(frozen=True, slots=True)
class Origin:
    """The picture a job starts from, RGB, already of the spec's width and height; `mask` is L.

    Without a picture it starts from noise. White in the mask is drawn anew.
    """

    picture: Image.Image | None = None
    mask: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """A ControlNet's picture for one trajectory, (1, 3, height, width) in 0..1, and when it acts."""

    name: str
    picture: Tensor
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def at(self, step: int, steps: int) -> float:
        """Its scale in evaluation `step` of `steps`, as diffusers' ControlNet pipelines count."""
        return 0.0 if step / steps < self.start or (step + 1) / steps > self.end else self.scale


@dataclass(frozen=True, slots=True)
class Reference:
    """An IP-Adapter's tokens for one trajectory: what the picture says, and what no picture says."""

    name: str
    towards: Tensor
    against: Tensor
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Stray:
    """Noise in what one picture is told. `levels` is its share of the variance, by evaluation.

    `noise` and `drift` (what a tensor is beyond its usual) have the shapes of the tensors they name.
    """

    drift: Mapping[str, Tensor]
    noise: Mapping[str, Tensor]
    levels: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What one job tells the model. Tensors by name, each (1, ...); families choose the names.

    `against` is None where guidance needs no second row, and has the names of `towards` otherwise.
    `wraps`: the picture's edges meet.
    """

    towards: Mapping[str, Tensor]
    against: Mapping[str, Tensor] | None
    guidance: float
    rescale: float = 0.0
    loras: Loras = ()
    hints: tuple[Hint, ...] = ()
    references: tuple[Reference, ...] = ()
    stray: Stray | None = None
    wraps: bool = False

    @property
    def rows(self) -> int:
        return 1 if self.against is None else 2

    @property
    def shapes(self) -> tuple[object, ...]:
        """Rows of unlike shapes cannot share a forward."""
        return tuple((name, tuple(self.towards[name].shape)) for name in sorted(self.towards))


@dataclass(frozen=True, slots=True)
class Kept:
    """Inpainting with a model of four channels: outside the mask the source stays, at every step.

    `mask` is 1 where it is drawn anew, in the latents' own layout; `clean` are the source's
    latents, `noise` the noise that was added to them.
    """

    mask: Tensor
    clean: Tensor
    noise: Tensor


@dataclass(frozen=True, slots=True)
class Start:
    """Where a trajectory begins: latents as the sampler's first step wants them.

    `beside` are channels that the model sees beside the latents, at every step (inpainting models
    with nine channels, edit models); in the latents' layout.
    """

    latents: Tensor
    kept: Kept | None = None
    beside: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One row of a forward: what it tells the model, and where it stands on its way."""

    tensors: Mapping[str, Tensor]
    conditioning: Conditioning
    towards: bool
    beside: Tensor | None
    step: int
    steps: int
    around: Around = Around.NOT


@dataclass(frozen=True, slots=True)
class Laid:
    """What stays the same while the same rows run together: built on a change of membership.

    `tensors` are the rows' own, stacked; `rest` is whatever else the family keeps for the forward.
    """

    tensors: Mapping[str, Tensor]
    beside: Tensor | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)


class Family(Protocol):
    """A loaded checkpoint. Every method works on batches whose rows know nothing of each other."""

    dtype: torch.dtype
    device: torch.device

    @property
    def config(self) -> Mapping[str, Any]:
        """The scheduler's, as the checkpoint was trained."""
        ...

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What takes memory, by diffusers' component names."""
        ...

    def with_vae(self, vae: Any) -> "Family":
        """The same checkpoint, seeing and showing pictures through another autoencoder."""
        ...

    def seamless(self) -> "Family":
        """The same, seeing and showing pictures whose edges meet. Fault `bad_spec` where they cannot."""
        ...

    def sampler(self, spec: RenderSpec, *, refining: bool = False) -> Sampler:
        """Set to the spec's steps and strength, so that its first moment is the first to denoise.

        `refining` asks for the part that a refiner draws; Fault `bad_spec` of what is none.
        """
        ...

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        """Of one image: (1, ...). Fault `bad_spec` when the model cannot."""
        ...

    def encode(self, spec: RenderSpec) -> Conditioning: ...

    def start(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        """One image's start. Draws from `generator` in the order of diffusers' own pipeline."""
        ...

    def lay(self, wishes: Sequence[Wish], horizon: int) -> Laid:
        """For the next `horizon` forwards of these very rows."""
        ...

    def denoise(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        """One forward, each row at its own timestep; `at` counts forwards since `lay`."""
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


def drawn_in(dtype: torch.dtype) -> torch.dtype:
    """Noise of a seed in double precision would be other noise, and so another picture."""
    return torch.float32 if dtype is torch.float64 else dtype


FAMILIES = {
    "flux": "farm.engine.families.flux",
    "sd15": "farm.engine.families.sd15",
    "sd3": "farm.engine.families.sd3",
    "sdxl": "farm.engine.families.sdxl",
}


def loader(family: str) -> Callable[..., Any]:
    """`load` of a family's file; a big import, so only when one is wanted."""
    if family not in FAMILIES:
        raise Fault("unknown_family", f"No model family named {family} is built in.")
    module: Any = import_module(FAMILIES[family])
    load: Callable[..., Any] = module.load
    return load
