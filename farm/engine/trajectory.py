"""One image on its way from noise to picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.samplers import Sampler, generator_for
from shared.spec import RenderSpec


@dataclass(eq=False, slots=True)
class Trajectory:
    """`latents` (1, channels, height, width) are replaced at each step, never changed in place."""

    index: int
    seed: int
    sampler: Sampler
    generator: torch.Generator
    latents: Tensor
    step: int = 0
    parked: int = 0

    @property
    def evaluations(self) -> int:
        """Forwards it needs; more than its steps for a second-order sampler such as heun."""
        return len(self.sampler.timesteps)

    @property
    def finished(self) -> bool:
        return self.step >= self.evaluations

    @property
    def moment(self) -> float:
        return self.sampler.timesteps[self.step]

    def scaled(self) -> Tensor:
        """What the model sees now."""
        return self.sampler.scale(self.latents, self.step)

    def advance(self, prediction: Tensor) -> None:
        self.latents = self.sampler.advance(
            self.latents, prediction, index=self.step, generator=self.generator
        )
        self.step += 1


def begin(spec: RenderSpec, index: int, *, sampler: Sampler, shape: tuple[int, ...]) -> Trajectory:
    """At pure noise, in fp32 on the CPU; `shape` is (1, channels, height, width) of the latents."""
    seed, generator, noise = _start(spec, index, shape)
    return Trajectory(index, seed, sampler, generator, noise * sampler.start_scale)


def _start(
    spec: RenderSpec, index: int, shape: tuple[int, ...]
) -> tuple[int, torch.Generator, Tensor]:
    """The seed to show, the generator of later noise, and the start noise."""
    if spec.variation is None:
        seed = spec.image_seed(index)
        generator = generator_for(seed)
        return seed, generator, torch.randn(shape, generator=generator)
    seed = (spec.variation.seed + index) % 2**32
    generator = generator_for(spec.seed)
    noise = torch.randn(shape, generator=generator)
    for own, strength in (*spec.variation.earlier, (seed, spec.variation.strength)):
        noise = slerp(noise, torch.randn(shape, generator=generator_for(own)), strength)
    # Later noise stays the first parent's, so that an ancestral sampler keeps the likeness too.
    return seed, generator, noise


def slerp(start: Tensor, end: Tensor, share: float) -> Tensor:
    """On the arc between two noises, so that the mixture is as loud as either."""
    cosine = torch.dot(start.flatten(), end.flatten()) / (start.norm() * end.norm())
    angle = math.acos(max(-1.0, min(1.0, cosine.item())))
    if math.sin(angle) < 1e-6:
        return torch.lerp(start, end, share)
    left, right = math.sin((1 - share) * angle), math.sin(share * angle)
    return (left * start + right * end) / math.sin(angle)
