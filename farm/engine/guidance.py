"""Classifier-free guidance for rows of one forward: on, off or rescaled, each as its job asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from torch import Tensor

from farm.engine.families import Conditioning


@dataclass(frozen=True, slots=True)
class Guidance:
    """`places` of the trajectories that have an unconditional row, in the order of these rows."""

    places: list[int]
    index: Tensor
    strength: Tensor
    rescale: Tensor | None

    @classmethod
    def build(cls, jobs: Sequence[Conditioning], like: Tensor) -> "Guidance":
        """`like` are the stacked latents: their device, precision and number of dimensions."""
        places = [place for place, one in enumerate(jobs) if one.against is not None]
        shape = (-1, *(1,) * (like.dim() - 1))
        strength = torch.tensor([jobs[place].guidance for place in places], dtype=like.dtype)
        rescale = torch.tensor([jobs[place].rescale for place in places], dtype=like.dtype)
        return cls(
            places=places,
            index=carried(torch.tensor(places, dtype=torch.long), like.device),
            strength=carried(strength, like.device).view(shape),
            rescale=carried(rescale, like.device).view(shape) if bool(rescale.any()) else None,
        )

    def apply(self, answer: Tensor, count: int) -> Tensor:
        """From [every conditional row | the unconditional ones] to one prediction a trajectory."""
        towards = answer[:count]
        if not self.places:
            return towards
        everyone = len(self.places) == count
        wanted = towards if everyone else towards.index_select(0, self.index)
        against = answer[count:]
        guided = against + self.strength * (wanted - against)
        if self.rescale is not None:
            guided = rescale_noise_cfg(guided, wanted, guidance_rescale=self.rescale)
        return guided if everyone else towards.index_copy(0, self.index, guided)


def carried(tensor: Tensor, device: torch.device) -> Tensor:
    """To the device without waiting for it."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
