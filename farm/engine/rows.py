"""One forward for trajectories of several jobs: [every conditional row | the unconditional ones]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.engine.families import Conditioning, Family
from farm.engine.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Row:
    """A trajectory and what its job wants of it."""

    trajectory: Trajectory
    conditioning: Conditioning


@dataclass(frozen=True, slots=True)
class Layout:
    """What stays the same while the same trajectories run together; built once, reused each step."""

    members: tuple[Trajectory, ...]
    texts: Tensor
    guided: Tensor
    places: list[int]
    guidance: Tensor

    @classmethod
    def build(cls, rows: Sequence[Row], family: Family) -> "Layout":
        towards = [row.conditioning.towards for row in rows]
        against = [(i, row.conditioning) for i, row in enumerate(rows)]
        guided = [(i, one.against, one.guidance) for i, one in against if one.against is not None]
        places = [i for i, _, _ in guided]
        return cls(
            members=tuple(row.trajectory for row in rows),
            texts=torch.cat([*towards, *(text for _, text, _ in guided)]),
            guided=torch.tensor(places, dtype=torch.long, device=family.device),
            places=places,
            guidance=torch.tensor([g for _, _, g in guided], device=family.device).view(
                -1, 1, 1, 1
            ),
        )


@dataclass(frozen=True, slots=True)
class Denoised:
    """What the model saw and what it answered, one row a trajectory, guidance applied."""

    seen: Tensor
    predictions: Tensor
    moments: list[float]
    sound: list[bool]


def denoise(family: Family, layout: Layout) -> Denoised:
    members = layout.members
    scaled = [one.scaled() for one in members]
    moments = [one.moment for one in members]
    latents = torch.cat(scaled + [scaled[place] for place in layout.places])
    times = torch.tensor(moments + [moments[place] for place in layout.places])
    device, dtype = family.device, family.dtype
    answer = family.denoise(latents.to(device, dtype), times.to(device), layout.texts)
    predictions = _guide(answer, layout)
    return Denoised(latents[: len(members)], predictions, moments, _sound(predictions))


def _guide(answer: Tensor, layout: Layout) -> Tensor:
    count = len(layout.members)
    towards = answer[:count]
    if not layout.places:
        return towards
    against = answer[count:]
    guided = against + layout.guidance.to(answer.dtype) * (towards[layout.guided] - against)
    return guided if len(layout.places) == count else towards.index_copy(0, layout.guided, guided)


def _sound(predictions: Tensor) -> list[bool]:
    """Which rows are numbers throughout; a sum carries every NaN and infinity with it."""
    sound: list[bool] = predictions.float().sum(dim=(1, 2, 3)).isfinite().tolist()
    return sound
