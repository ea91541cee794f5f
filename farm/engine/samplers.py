"""Samplers are diffusers' schedulers, one instance a trajectory; here they are named, forked and saved."""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from torch import Tensor

from shared.errors import Fault

Config = Mapping[str, Any]
Scalar = bool | int | float | str | None
Saved = dict[str, "Scalar | Tensor | list[Scalar | Tensor]"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A diffusers class and what it overrides in the checkpoint's own scheduler configuration."""

    scheduler: str
    overrides: tuple[tuple[str, Any], ...] = ()


KARRAS = (("use_karras_sigmas", True),)
PLAIN = (("use_karras_sigmas", False),)
MULTISTEP = (("algorithm_type", "dpmsolver++"), ("solver_order", 2))

RECIPES = {
    "ddim": Recipe("DDIMScheduler"),
    "dpm++2m": Recipe("DPMSolverMultistepScheduler", MULTISTEP + PLAIN),
    "dpm++2m-karras": Recipe("DPMSolverMultistepScheduler", MULTISTEP + KARRAS),
    "euler": Recipe("EulerDiscreteScheduler", PLAIN),
    "euler-a": Recipe("EulerAncestralDiscreteScheduler"),
    "heun": Recipe("HeunDiscreteScheduler", PLAIN),
    "unipc": Recipe("UniPCMultistepScheduler", PLAIN),
    "lcm": Recipe("LCMScheduler"),
}


def build_scheduler(name: str, config: Config) -> Any:
    """A fresh diffusers scheduler: the checkpoint's betas, prediction type and clipping are kept."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise Fault("unknown_sampler", f"The renderer has no sampler named {name}.")
    return getattr(diffusers, recipe.scheduler).from_config(config, **dict(recipe.overrides))


class Sampler:
    """One trajectory's scheduler, set to its steps. `timesteps` and sigmas stay on the CPU: no sync."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.moments: list[Tensor] = list(scheduler.timesteps)
        self.timesteps: list[float] = [float(moment) for moment in self.moments]
        self.pristine = _copied_lists(vars(scheduler))
        self.accepted = set(inspect.signature(scheduler.step).parameters)

    @classmethod
    def begin(cls, name: str, steps: int, *, config: Config) -> "Sampler":
        scheduler = build_scheduler(name, config)
        scheduler.set_timesteps(steps, device="cpu")
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        return cls(scheduler)

    def fork(self) -> "Sampler":
        """An untouched twin, for the next image of the same job."""
        twin = copy.copy(self)
        twin.scheduler = copy.copy(self.scheduler)
        vars(twin.scheduler).update(_copied_lists(self.pristine))
        return twin

    @property
    def start_scale(self) -> float:
        return float(self.scheduler.init_noise_sigma)

    def scale(self, latents: Tensor, index: int) -> Tensor:
        scaled: Tensor = self.scheduler.scale_model_input(latents, self.moments[index])
        return scaled

    def advance(self, latents: Tensor, prediction: Tensor, **step: Any) -> Tensor:
        """One step from `index` (in `step`), with noise from `generator` where the sampler adds any."""
        index, generator = step["index"], step["generator"]
        extra: dict[str, Any] = {"generator": generator} if "generator" in self.accepted else {}
        moved = self.scheduler.step(
            prediction, self.moments[index], latents, return_dict=False, **extra
        )
        after: Tensor = moved[0]
        return after

    def save(self) -> Saved:
        """What stepping has changed since the start; the rest follows from name, steps and config."""
        return {
            name: value
            for name, value in _copied_lists(vars(self.scheduler)).items()
            if not _same(value, self.pristine.get(name))
        }

    def restore(self, saved: Saved) -> None:
        vars(self.scheduler).update(_copied_lists(saved))


def _copied_lists(state: Mapping[str, Any]) -> dict[str, Any]:
    """Schedulers change their lists in place and replace everything else."""
    return {
        name: list(value) if isinstance(value, list) else value for name, value in state.items()
    }


def _same(value: Any, before: Any) -> bool:
    if isinstance(value, list) and isinstance(before, list):
        return len(value) == len(before) and all(map(_same, value, before))
    if isinstance(value, Tensor) or isinstance(before, Tensor):
        return value is before
    return type(value) is type(before) and bool(value == before)


def generator_for(seed: int) -> torch.Generator:
    """On the CPU whatever the device: the same seed gives the same noise everywhere."""
    return torch.Generator("cpu").manual_seed(seed)
