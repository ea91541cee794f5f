"""Samplers are diffusers' schedulers, one instance a trajectory; here they are named, forked and saved."""

import copy
import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeGuard

import diffusers
import numpy as np
import torch
from torch import Tensor

from farm.engine.tables import Table, probe
from shared.errors import Fault, Refusal

Config = Mapping[str, Any]
Scalar = bool | int | float | str | None
Saved = dict[str, "Scalar | Tensor | list[Scalar | Tensor]"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A diffusers class and what it overrides in the checkpoint's own scheduler configuration."""

    scheduler: str
    overrides: tuple[tuple[str, Any], ...] = ()

    @property
    def flow(self) -> bool:
        """Made for flow matching: of no use to a model that predicts noise, and the reverse."""
        return self.scheduler.startswith("FlowMatch") or ("use_flow_sigmas", True) in self.overrides


def _schedule(chosen: str | None) -> tuple[tuple[str, Any], ...]:
    """diffusers refuses two schedules at once, so the checkpoint's own has to be switched off."""
    names = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
    return tuple((name, name == chosen) for name in names)


PLAIN = _schedule(None)
KARRAS = _schedule("use_karras_sigmas")
EXPONENTIAL = _schedule("use_exponential_sigmas")
TRAILING = (("timestep_spacing", "trailing"),)
MULTISTEP = (("algorithm_type", "dpmsolver++"), ("solver_order", 2), ("use_lu_lambdas", False))
SHORT = (("skip_prk_steps", True),)  # latent models have no need of the Runge-Kutta start
FLOW = (*PLAIN, ("use_flow_sigmas", True), ("prediction_type", "flow_prediction"))

DDIM = "DDIMScheduler"
DPM = "DPMSolverMultistepScheduler"
EULER = "EulerDiscreteScheduler"
ANCESTRAL = "EulerAncestralDiscreteScheduler"
HEUN = "HeunDiscreteScheduler"
UNIPC = "UniPCMultistepScheduler"
PNDM = "PNDMScheduler"
FLOW_EULER = "FlowMatchEulerDiscreteScheduler"

RECIPES = {
    "ddim": Recipe(DDIM),
    "ddim-trailing": Recipe(DDIM, TRAILING),
    "dpm++2m": Recipe(DPM, MULTISTEP + PLAIN),
    "dpm++2m-karras": Recipe(DPM, MULTISTEP + KARRAS),
    "dpm++2m-exponential": Recipe(DPM, MULTISTEP + EXPONENTIAL),
    "dpm++2m-trailing": Recipe(DPM, MULTISTEP + PLAIN + TRAILING),
    "euler": Recipe(EULER, PLAIN),
    "euler-karras": Recipe(EULER, KARRAS),
    "euler-exponential": Recipe(EULER, EXPONENTIAL),
    "euler-trailing": Recipe(EULER, PLAIN + TRAILING),
    "euler-a": Recipe(ANCESTRAL),
    "euler-a-trailing": Recipe(ANCESTRAL, TRAILING),
    "heun": Recipe(HEUN, PLAIN),
    "heun-karras": Recipe(HEUN, KARRAS),
    "heun-exponential": Recipe(HEUN, EXPONENTIAL),
    "heun-trailing": Recipe(HEUN, PLAIN + TRAILING),
    "unipc": Recipe(UNIPC, PLAIN),
    "unipc-karras": Recipe(UNIPC, KARRAS),
    "unipc-exponential": Recipe(UNIPC, EXPONENTIAL),
    "unipc-trailing": Recipe(UNIPC, PLAIN + TRAILING),
    "pndm": Recipe(PNDM, SHORT),
    "pndm-trailing": Recipe(PNDM, SHORT + TRAILING),
    "lcm": Recipe("LCMScheduler"),
    "flow-euler": Recipe(FLOW_EULER, PLAIN),
    "flow-euler-karras": Recipe(FLOW_EULER, KARRAS),
    "flow-euler-exponential": Recipe(FLOW_EULER, EXPONENTIAL),
    "flow-heun": Recipe("FlowMatchHeunDiscreteScheduler"),
    "flow-dpm++2m": Recipe(DPM, MULTISTEP + FLOW),
    "flow-unipc": Recipe(UNIPC, FLOW),
    "flow-lcm": Recipe("FlowMatchLCMScheduler", PLAIN),
}
NAMES = tuple(RECIPES)
FLOW_NAMES = tuple(name for name in NAMES if RECIPES[name].flow)


def _recipe(name: str) -> Recipe:
    recipe = RECIPES.get(name)
    if recipe is None:
        raise Fault("unknown_sampler", f"The renderer has no sampler named {name}.")
    return recipe


def build_scheduler(name: str, config: Config, *, mu: float | None = None) -> Any:
    """A fresh diffusers scheduler: the checkpoint's betas, prediction type and clipping are kept.

    `mu` is the shift of a flow for one size, for those classes that know only one for all sizes.
    """
    recipe = _recipe(name)
    kind: Any = getattr(diffusers, recipe.scheduler)
    # Silence means clipping to diffusers' DDIM, which is right for pixels and ruins latents.
    own = {"clip_sample": False, **config}
    if recipe.flow:
        own |= _shifted(config, None if _takes(kind, "mu", "sigmas") else mu)
    known = inspect.signature(kind.__init__).parameters
    fitting = {key: own[key] for key in own if key in known or key.startswith("_")}
    return kind.from_config(fitting, **dict(recipe.overrides))


def _takes(kind: Any, *names: str) -> bool:
    return set(names) <= set(inspect.signature(kind.set_timesteps).parameters)


def _shifted(config: Config, mu: float | None) -> dict[str, Any]:
    """diffusers' flow classes call the same number by two names."""
    shift = config.get("shift", config.get("flow_shift", 1.0))
    if mu is not None and config.get("use_dynamic_shifting"):
        shift = mu if config.get("time_shift_type") == "linear" else math.exp(mu)
    return {"shift": shift, "flow_shift": shift}


class Sampler:
    """One trajectory's scheduler, set to its steps. `timesteps` and sigmas stay on the CPU: no sync.

    `moments` are those still to be denoised; evaluations are counted from the first of them.
    """

    def __init__(self, scheduler: Any, stretch: slice, *, eta: float, key: str) -> None:
        self.scheduler = scheduler
        self.first = stretch.start
        self.moments: list[Tensor] = list(scheduler.timesteps[stretch])
        self.timesteps: list[float] = [float(moment) for moment in self.moments]
        self.eta = eta
        self.key = key
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(self.first)
        self.pristine = _copied_lists(vars(scheduler))
        self.accepted = set(inspect.signature(scheduler.step).parameters)
        self.probed = cache(partial(probe, self.fork()))  # a fork: remembered, and holds no latents

    @classmethod
    def begin(
        cls,
        name: str,
        steps: int,
        *,
        config: Config,
        strength: float = 1.0,
        eta: float = 0.0,
        start: float | None = None,
        end: float | None = None,
        **set_timesteps: Any,
    ) -> "Sampler":
        """At the first step of the part asked for, as diffusers' pipelines cut it.

        `strength` is image-to-image's; `start` and `end` are SDXL's shares of the training
        timesteps, and `start` makes `strength` irrelevant. `set_timesteps`: a flow's sigmas, mu.
        """
        scheduler = build_scheduler(name, config, mu=set_timesteps.get("mu"))
        _set_timesteps(name, steps, scheduler, **set_timesteps)
        first = _first(scheduler, steps, strength, flow=_recipe(name).flow)
        if _inside(start):
            first = _first_after(scheduler, start)
        stretch = _until(scheduler, first, end)
        if stretch.stop <= first:
            sentence = "Nothing would be left to draw: take more steps, or a greater strength."
            raise Refusal("nothing_to_draw", sentence, field="strength")
        rest = {"steps": steps, "eta": eta, "cut": [first, stretch.stop], **set_timesteps}
        return cls(scheduler, stretch, eta=eta, key=_key(scheduler, rest))

    def fork(self) -> "Sampler":
        """An untouched twin, for the next image of the same job."""
        twin = copy.copy(self)
        twin.scheduler = copy.copy(self.scheduler)
        vars(twin.scheduler).clear()
        vars(twin.scheduler).update(_copied_lists(self.pristine))
        return twin

    @property
    def table(self) -> Table | None:
        """The fast path; None where this scheduler has none. Found on first use, shared by forks."""
        return self.probed()

    @property
    def start_scale(self) -> float:
        return float(getattr(self.scheduler, "init_noise_sigma", 1.0))

    def scale(self, latents: Tensor, index: int) -> Tensor:
        if not hasattr(self.scheduler, "scale_model_input"):
            return latents
        scaled: Tensor = self.scheduler.scale_model_input(latents, self.moments[index])
        return scaled

    def advance(self, latents: Tensor, prediction: Tensor, **step: Any) -> Tensor:
        """One step from `index` (in `step`), with noise from `generator` where the sampler adds any."""
        index, offered = step["index"], {"generator": step["generator"], "eta": self.eta}
        extra = {name: value for name, value in offered.items() if name in self.accepted}
        moved = self.scheduler.step(
            prediction, self.moments[index], latents, return_dict=False, **extra
        )
        after: Tensor = moved[0]
        return after

    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        """`clean` as loud as latents are before evaluation `index`; after the last one, as it is."""
        if index >= len(self.moments):
            return clean
        still = copy.copy(self.scheduler)
        if hasattr(still, "_step_index"):
            still._step_index = self.first + index
        moment = self.moments[index][None]
        if hasattr(still, "scale_noise"):
            scaled: Tensor = still.scale_noise(clean, moment, noise)
            return scaled
        added: Tensor = still.add_noise(clean, noise, moment)
        return added

    def save(self) -> Saved:
        """What stepping has changed since the start; the rest follows from name, steps and config."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in _copied_lists(vars(self.scheduler)).items()
            if not _same(value, self.pristine.get(name))
        }

    def restore(self, saved: Saved) -> None:
        vars(self.scheduler).update(_copied_lists(saved))


def _set_timesteps(name: str, steps: int, scheduler: Any, **rest: Any) -> None:
    """Those without sigmas have a spacing of their own, and were built with the shift that mu means."""
    known = {key: value for key, value in rest.items() if _takes(scheduler, key, "sigmas")}
    if known.get("sigmas") is not None:
        known["sigmas"] = np.array(known["sigmas"], dtype=np.float64)  # UniPC knows no lists
    try:
        scheduler.set_timesteps(steps, device="cpu", **known)
    except ValueError as error:
        sentence = f"The sampler {name} cannot draw in {steps} steps."
        raise Refusal("unsuitable_steps", sentence, field="steps") from error


# --- which part of the way, counted in evaluations ------------------------------------------------


def _first(scheduler: Any, steps: int, strength: float, *, flow: bool) -> int:
    """The pipelines of noise-predicting models round the steps to do, those of flows the rest."""
    wanted = min(steps * strength, steps)
    skipped = steps - (wanted if flow else int(wanted))
    return int(max(skipped, 0)) * int(scheduler.order)


def _inside(share: float | None) -> TypeGuard[float]:
    return share is not None and 0 < share < 1


def _cutoff(scheduler: Any, share: float) -> int:
    whole = scheduler.config.num_train_timesteps
    return round(whole - share * whole)


def _first_after(scheduler: Any, share: float) -> int:
    left = int((scheduler.timesteps < _cutoff(scheduler, share)).sum())
    if scheduler.order == 2 and left % 2 == 0:
        left += 1  # never between the two halves of a step
    return len(scheduler.timesteps) - left


def _until(scheduler: Any, first: int, share: float | None) -> slice:
    moments = scheduler.timesteps[first:]
    if not _inside(share):
        return slice(first, first + len(moments))
    return slice(first, first + int((moments >= _cutoff(scheduler, share)).sum()))


# --- state ----------------------------------------------------------------------------------------


def _key(scheduler: Any, rest: Mapping[str, Any]) -> str:
    """Schedulers of equal keys step alike."""
    whole = [type(scheduler).__name__, dict(scheduler.config), rest]
    return json.dumps(whole, sort_keys=True, default=lambda odd: np.asarray(odd).tolist())


def _copied_lists(state: Mapping[str, Any]) -> dict[str, Any]:
    """Schedulers change their lists in place and replace everything else."""
    return {
        name: list(value) if isinstance(value, list) else value for name, value in state.items()
    }


def _same(value: Any, before: Any) -> bool:
    if value is before:
        return True
    if isinstance(value, list) and isinstance(before, list):
        return len(value) == len(before) and all(map(_same, value, before))
    if isinstance(value, Tensor) or isinstance(before, Tensor):
        return False
    return type(value) is type(before) and bool(value == before)


def generator_for(seed: int) -> torch.Generator:
    """On the CPU whatever the device: the same seed gives the same noise everywhere."""
    return torch.Generator("cpu").manual_seed(seed)
