"""One image on its way from noise to picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from farm.engine.families import Conditioning, Family, Kept
from farm.engine.samplers import Sampler, generator_for
from farm.engine.seamless import Around
from farm.engine.tables import Table
from farm.engine.weights.checkpoints import Loaded
from shared.spec import RenderSpec

Past = tuple[Tensor, ...]  # x-1, e-1, x-2, e-2: as many as the sampler's table asks for


@dataclass(frozen=True, slots=True)
class State:
    """`latents` (1, ...) and what went before; tensors are replaced at each step, never changed.

    On the host they are whole once `arrived`, an event of the device's, has happened.
    """

    latents: Tensor
    past: Past = ()
    arrived: Any = None


class Home(Protocol):
    """Whoever holds the state of several trajectories stacked, while they run together."""

    def state(self, place: int) -> State: ...


@dataclass(eq=False, slots=True)
class Leg:
    """A stretch of the way: the base's, then perhaps a refiner's, or the same again much larger.

    `eye` is the checkpoint's family, or the same with the autoencoder that the job asked for. A leg
    with a `shape` begins from the picture of the one before, enlarged to it. `meets_from` is the
    evaluation from which top and bottom meet, where edges are to meet.
    """

    loaded: Loaded
    conditioning: Conditioning
    sampler: Sampler
    evaluations: int
    eye: Family
    kept: Kept | None = None
    beside: Tensor | None = None
    shape: tuple[int, ...] | None = None
    meets_from: int = 0

    @property
    def table(self) -> Table | None:
        """The fast path, where it holds: edited latents leave a scheduler's own trajectory."""
        table = self.sampler.table
        return None if table is None or (table.chained and self.kept is not None) else table

    @property
    def stopped(self) -> bool:
        """It ends before the sampler does: the picture is taken as it is then."""
        return self.evaluations < len(self.sampler.timesteps)

    def around(self, step: int) -> Around:
        if not self.conditioning.wraps:
            return Around.NOT
        return Around.ALL if step >= self.meets_from else Around.SIDES


@dataclass(eq=False, slots=True)
class Trajectory:
    """`step` counts the evaluations of the present leg; `retried` once it began again, in higher precision."""

    index: int
    seed: int
    generator: torch.Generator
    legs: Sequence[Leg]
    own: State
    stage: int = 0
    step: int = 0
    retried: bool = False
    home: Home | None = field(default=None, repr=False)
    place: int = 0
    keys: list[tuple[object, ...]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.keys = [_key(leg, self.own.latents) for leg in self.legs]

    @property
    def leg(self) -> Leg:
        return self.legs[self.stage]

    @property
    def state(self) -> State:
        return self.own if self.home is None else self.home.state(self.place)

    @property
    def latents(self) -> Tensor:
        return self.state.latents

    @property
    def key(self) -> tuple[object, ...]:
        """Trajectories of equal keys may share a forward."""
        return *self.keys[self.stage], self.leg.around(self.step)

    @property
    def rows(self) -> int:
        return self.leg.conditioning.rows

    @property
    def evaluations(self) -> int:
        """Forwards it needs in all; more than its steps for a second-order sampler such as heun."""
        return sum(leg.evaluations for leg in self.legs)

    @property
    def done(self) -> int:
        return sum(leg.evaluations for leg in self.legs[: self.stage]) + self.step

    @property
    def left(self) -> int:
        """Forwards to the end of this leg."""
        return self.leg.evaluations - self.step

    @property
    def alike(self) -> int:
        """Forwards from now on that are of this key."""
        turn = self.leg.meets_from - self.step
        return min(self.left, turn) if self.leg.conditioning.wraps and turn > 0 else self.left

    @property
    def rises(self) -> bool:
        """The next leg begins from its picture enlarged, which is made beside the loop."""
        further = self.legs[self.stage + 1 :]
        return self.left <= 0 and bool(further) and further[0].shape is not None

    @property
    def finished(self) -> bool:
        return self.stage == len(self.legs) - 1 and self.left <= 0

    def leave(self) -> None:
        """Take its state along from where it ran with others."""
        self.own, self.home = self.state, None

    def rest(self) -> None:
        """Out of the device's memory while it is parked; it comes back when it runs again."""
        self.leave()
        if self.own.arrived is not None:
            return  # it rests, or is on its way
        device = self.own.latents.device
        latents, *past = (_hosted(one) for one in (self.own.latents, *self.own.past))
        on_gpu = device.type == "cuda"
        arrived = torch.cuda.current_stream(device).record_event() if on_gpu else None
        self.own = State(latents, tuple(past), arrived)

    def stepped(self) -> None:
        """One evaluation on; at the end of a leg the next one takes over the latents."""
        self.step += 1
        if self.left <= 0 and self.stage + 1 < len(self.legs) and not self.rises:
            self.leave()
            self.stage, self.step = self.stage + 1, 0
            family = self.leg.loaded.family
            self.own = State(self.own.latents.to(family.device, family.dtype))

    def risen(self, latents: Tensor, generator: torch.Generator) -> "Trajectory":
        """At the start of the next leg, with the latents that it begins from."""
        own, stage, retried = State(latents), self.stage + 1, self.retried
        return Trajectory(self.index, self.seed, generator, self.legs, own, stage, retried=retried)


def _hosted(tensor: Tensor) -> Tensor:
    if tensor.device.type != "cuda":
        return tensor.clone()  # no view: the rows that ran beside it need not stay
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)


def _key(leg: Leg, latents: Tensor) -> tuple[object, ...]:
    beside = None if leg.beside is None else tuple(leg.beside.shape)
    shape = leg.shape or tuple(latents.shape)
    return id(leg.loaded.family), shape, leg.conditioning.shapes, beside


def seeded(spec: RenderSpec, index: int) -> tuple[int, torch.Generator]:
    """The seed to show, and the generator that start noise and later noise come from."""
    if spec.variation is None:
        seed = spec.image_seed(index)
        return seed, generator_for(seed)
    # Later noise stays the first parent's, so that an ancestral sampler keeps the likeness too.
    return (spec.variation.seed + index) % 2**32, generator_for(spec.seed)


def leaning(spec: RenderSpec, index: int, noise: Tensor) -> Tensor:
    """The start noise of a variation: the parent's, leaning towards each new seed in turn."""
    if spec.variation is None:
        return noise
    seed = (spec.variation.seed + index) % 2**32
    whole = noise.float()
    for own, strength in (*spec.variation.earlier, (seed, spec.variation.strength)):
        other = torch.randn(noise.shape, generator=generator_for(own))
        whole = slerp(whole, other.to(whole.device), strength)
    return whole.to(noise.dtype)


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """On the arc between two noises, so that the mixture is as loud as either."""
    cosine = torch.dot(start.flatten(), end.flatten()) / (start.norm() * end.norm())
    angle = math.acos(max(-1.0, min(1.0, cosine.item())))
    if math.sin(angle) < 1e-6:
        return torch.lerp(start, end, share)
    left, right = math.sin((1 - share) * angle), math.sin(share * angle)
    return (left * start + right * end) / math.sin(angle)
