"""A job inside the engine: its trajectories, what they cost, and its state as a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from farm.engine.families import Family
from farm.engine.messages import Render, Stepped
from farm.engine.samplers import Saved, Scalar
from farm.engine.snapshots import Identity, Snapshot, Unusable
from farm.engine.trajectory import Leg, State, Trajectory
from farm.engine.weights.checkpoints import Loaded
from shared.spec import RenderSpec


@dataclass(eq=False, slots=True)
class EngineJob:
    """`arrived` orders jobs of one rank. Costs and times are of this attempt, in milliseconds.

    `ran_at` is when it last took part in a forward, or joined; `paused` once people were told that it
    waits for rows. `mending` are the places of trajectories that are being prepared anew in higher precision.
    """

    render: Render
    spec: RenderSpec
    trajectories: list[Trajectory]
    identity: Identity
    arrived: int
    load_ms: float = 0.0
    gpu_ms: float = 0.0
    decode_ms: float = 0.0
    denoise_ms: float = 0.0
    resumed_from: int = 0
    saved_at: int = 0
    previewed_at: int = 0
    told_at: float = float("-inf")
    began_at: float | None = None
    ran_at: float = 0.0
    paused: bool = False
    previewing: bool = False
    mending: set[int] = field(default_factory=set)
    held: object = None  # what it wears stays at hand while it lives

    @property
    def id(self) -> str:
        return self.render.job_id

    @property
    def eye(self) -> Family:
        """Through which its latents become pictures: that of the end of its way."""
        return self.trajectories[0].legs[-1].eye

    @property
    def in_use(self) -> list[Loaded]:
        return [leg.loaded for one in self.trajectories for leg in one.legs]

    @property
    def runnable(self) -> list[Trajectory]:
        return [
            one
            for place, one in enumerate(self.trajectories)
            if not (one.finished or one.rises or place in self.mending)
        ]

    @property
    def rising(self) -> list[int]:
        """Places of those whose picture is to be enlarged now."""
        places = enumerate(self.trajectories)
        return [place for place, one in places if one.rises and place not in self.mending]

    @property
    def finished(self) -> bool:
        return not self.mending and all(one.finished for one in self.trajectories)

    @property
    def done(self) -> int:
        """Forwards, of all its trajectories."""
        return sum(one.done for one in self.trajectories)

    @property
    def storable(self) -> bool:
        """A snapshot of it holds all that it is: what began anew in higher precision is in none."""
        return not self.mending and not any(one.retried for one in self.trajectories)

    @property
    def step(self) -> int:
        """Of `spec.steps`, by the slowest trajectory: what a person is told."""
        slowest = min(self.trajectories, key=lambda one: one.done)
        return slowest.done * self.spec.steps // max(1, slowest.evaluations)

    def ran(self, now: float, took_ms: float) -> None:
        """One more forward ended at `now`; the time between forwards counts too, once it began."""
        self.ran_at = now
        if self.paused:
            self.paused, self.told_at = False, float("-inf")
        if self.began_at is None:
            self.began_at = now - took_ms / 1e3
        self.denoise_ms = (now - self.began_at) * 1e3

    def progress(self) -> Stepped:
        done = self.step - self.resumed_from
        rate = done / self.denoise_ms * 1e3 if self.denoise_ms else 0.0
        return Stepped(self.id, self.step, self.spec.steps, rate, self.resumed_from)

    # --- snapshots ---------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Cheap: it only refers to tensors, which are never changed in place."""
        tensors: dict[str, Tensor] = {}
        state = [_save(one, tensors) for one in self.trajectories]
        whole = {"trajectories": state, "gpu_ms": self.gpu_ms}
        return Snapshot(self.identity, self.render.attempt, self.step, whole, tensors)

    def resume(self, snapshot: Snapshot) -> None:
        """Unusable, and nothing changed, when it does not fit this job's trajectories."""
        states = snapshot.state["trajectories"]
        if len(states) != len(self.trajectories):
            raise Unusable("damaged", "it holds another number of images")
        pairs = zip(self.trajectories, states, strict=True)
        self.trajectories = [_restored(one, state, snapshot.tensors) for one, state in pairs]
        self.gpu_ms = float(snapshot.state["gpu_ms"])
        self.resumed_from = self.saved_at = self.previewed_at = self.step


def _save(one: Trajectory, tensors: dict[str, Tensor]) -> dict[str, object]:
    if one.retried:  # begun again in another precision: a resumed job begins it as all others
        return {"index": one.index, "fresh": True}
    state = one.state
    if state.arrived is not None:
        state.arrived.synchronize()  # a parked one's; it went to the host many steps ago
    tensors[f"{one.index}.latents"] = state.latents
    for nth, past in enumerate(state.past):
        tensors[f"{one.index}.past.{nth}"] = past
    tensors[f"{one.index}.generator"] = one.generator.get_state()
    return {
        "index": one.index,
        "stage": one.stage,
        "step": one.step,
        "past": len(state.past),
        "sampler": _save_sampler(one, tensors) if one.leg.table is None else None,
    }


def _save_sampler(one: Trajectory, tensors: dict[str, Tensor]) -> dict[str, object]:
    saved: dict[str, object] = {}
    for name, value in one.leg.sampler.save().items():
        parts = value if isinstance(value, list) else [value]
        plain = [_name(f"{one.index}.{name}.{i}", part, tensors) for i, part in enumerate(parts)]
        saved[name] = plain if isinstance(value, list) else plain[0]
    return saved


def _name(key: str, part: "Scalar | Tensor", tensors: dict[str, Tensor]) -> object:
    """A tensor goes beside the state, which keeps its name."""
    if not isinstance(part, Tensor):
        return part
    tensors[key] = part
    return {"tensor": key}


def _restored(fresh: Trajectory, state: dict[str, Any], tensors: dict[str, Tensor]) -> Trajectory:
    if state["index"] != fresh.index:
        raise Unusable("damaged", "its images are not this job's")
    if state.get("fresh"):
        return fresh
    stage, step = int(state["stage"]), int(state["step"])
    _check_place(fresh.legs, stage, step)
    leg = fresh.legs[stage]
    generator = torch.Generator("cpu")
    generator.set_state(tensors[f"{fresh.index}.generator"])
    legs = [*fresh.legs]
    if state["sampler"] is not None:
        legs[stage] = _with_sampler(leg, state["sampler"], tensors)
    like = leg.shape or tuple(fresh.own.latents.shape)
    past = tuple(_latents(fresh, f"past.{nth}", tensors, like) for nth in range(int(state["past"])))
    own = State(_latents(fresh, "latents", tensors, like), past)
    return Trajectory(fresh.index, fresh.seed, generator, legs, own, stage=stage, step=step)


def _check_place(legs: Sequence[Leg], stage: int, step: int) -> None:
    if not (0 <= stage < len(legs) and 0 <= step <= legs[stage].evaluations):
        raise Unusable("damaged", "its steps are not this job's")


def _latents(
    fresh: Trajectory, name: str, tensors: dict[str, Tensor], shape: tuple[int, ...]
) -> Tensor:
    found = tensors[f"{fresh.index}.{name}"]
    if tuple(found.shape) != shape or not bool(found.isfinite().all()):
        raise Unusable("damaged", "its latents are not this job's")
    return found.to(fresh.own.latents)


def _with_sampler(leg: Leg, state: dict[str, Any], tensors: dict[str, Tensor]) -> Leg:
    sampler = leg.sampler.fork()
    sampler.restore(_read_sampler(state, tensors, leg.loaded.family.device))
    return replace(leg, sampler=sampler)


def _read_sampler(raw: dict[str, Any], tensors: dict[str, Tensor], device: torch.device) -> Saved:
    def read(value: object) -> "Scalar | Tensor":
        if isinstance(value, dict):
            tensor = tensors[value["tensor"]]
            return tensor.to(device) if tensor.dim() else tensor  # sigmas and times stay on the CPU
        assert value is None or isinstance(value, bool | int | float | str)
        return value

    return {
        name: [read(part) for part in value] if isinstance(value, list) else read(value)
        for name, value in raw.items()
    }
