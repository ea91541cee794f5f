"""A job inside the engine: its trajectories, what they cost, and its state as a snapshot."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from farm.engine import snapshots
from farm.engine.checkpoints import Loaded
from farm.engine.families import Conditioning
from farm.engine.messages import Render, Stepped
from farm.engine.rows import Row
from farm.engine.samplers import Saved, Scalar
from farm.engine.snapshots import Identity, Snapshot, Unusable
from farm.engine.trajectory import Trajectory, begin
from shared.errors import Fault
from shared.spec import RenderSpec

MOST_IMAGES = 16
MOST_STEPS = 1_000


@dataclass(eq=False, slots=True)
class EngineJob:
    """`arrived` orders jobs of one rank. Costs and times are of this attempt, in milliseconds."""

    render: Render
    spec: RenderSpec
    loaded: Loaded
    conditioning: Conditioning
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
    previewing: bool = False
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def begin(cls, render: Render, loaded: Loaded, *, arrived: int) -> "EngineJob":
        """At step 0. Fault `bad_spec` for what the model or the sampler cannot do."""
        spec = _read(render)
        family = loaded.family
        shape = family.latent_shape(spec)
        try:
            sampler = family.sampler(spec.sampler, spec.steps)
        except ValueError as problem:
            raise Fault("bad_spec", f"Sampler {spec.sampler}: {problem}") from problem
        conditioning = family.encode(spec)
        trajectories = [
            begin(spec, index, sampler=sampler.fork(), shape=shape) for index in range(spec.images)
        ]
        for one in trajectories:
            one.latents = one.latents.to(family.device, family.dtype)
        identity = _identity(render, spec, loaded)
        job = cls(render, spec, loaded, conditioning, trajectories, identity, arrived)
        job.place(trajectories)
        return job

    @property
    def id(self) -> str:
        return self.render.job_id

    @property
    def key(self) -> tuple[object, ...]:
        """Trajectories of equal keys may share a forward."""
        return id(self.loaded), tuple(self.trajectories[0].latents.shape)

    @property
    def finished(self) -> bool:
        return all(one.finished for one in self.trajectories)

    @property
    def step(self) -> int:
        """Of `spec.steps`, by the slowest trajectory: what a person is told."""
        slowest = min(self.trajectories, key=lambda one: one.step)
        return slowest.step * self.spec.steps // slowest.evaluations

    def ran(self, now: float, took_ms: float) -> None:
        """One more forward ended at `now`; the time between forwards counts too, once it began."""
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
        restored = [_restored(one, state, snapshot.tensors) for one, state in pairs]
        self.place(restored)
        self.gpu_ms = float(snapshot.state["gpu_ms"])
        self.resumed_from = self.saved_at = self.previewed_at = self.step

    def place(self, trajectories: list[Trajectory]) -> None:
        self.trajectories = trajectories
        self.rows = [Row(one, self.conditioning) for one in trajectories]


def _read(render: Render) -> RenderSpec:
    try:
        spec = RenderSpec.from_dict(dict(render.spec))
    except (TypeError, KeyError, AttributeError) as problem:
        raise Fault("bad_spec", f"The recipe cannot be read: {problem}") from problem
    if not (1 <= spec.images <= MOST_IMAGES and 1 <= spec.steps <= MOST_STEPS):
        raise Fault("bad_spec", f"{spec.images} images of {spec.steps} steps cannot be rendered.")
    return spec


def _identity(render: Render, spec: RenderSpec, loaded: Loaded) -> Identity:
    return Identity(
        job_id=render.job_id,
        spec=spec.sha256(),
        weights=loaded.sha256,
        dtype=str(loaded.family.dtype),
        libraries=snapshots.libraries(),
    )


def _save(one: Trajectory, tensors: dict[str, Tensor]) -> dict[str, object]:
    tensors[f"{one.index}.latents"] = one.latents
    tensors[f"{one.index}.generator"] = one.generator.get_state()
    saved: dict[str, object] = {}
    for name, value in one.sampler.save().items():
        parts = value if isinstance(value, list) else [value]
        plain = [_name(f"{one.index}.{name}.{i}", part, tensors) for i, part in enumerate(parts)]
        saved[name] = plain if isinstance(value, list) else plain[0]
    return {"index": one.index, "step": one.step, "sampler": saved}


def _name(key: str, part: "Scalar | Tensor", tensors: dict[str, Tensor]) -> object:
    """A tensor goes beside the state, which keeps its name."""
    if not isinstance(part, Tensor):
        return part
    tensors[key] = part
    return {"tensor": key}


def _restored(fresh: Trajectory, state: dict[str, Any], tensors: dict[str, Tensor]) -> Trajectory:
    latents, step = tensors[f"{fresh.index}.latents"], int(state["step"])
    if state["index"] != fresh.index or not 0 <= step <= fresh.evaluations:
        raise Unusable("damaged", "its steps are not this job's")
    if latents.shape != fresh.latents.shape or not bool(latents.isfinite().all()):
        raise Unusable("damaged", "its latents are not this job's")
    sampler = fresh.sampler.fork()
    sampler.restore(_read_sampler(state["sampler"], tensors, fresh.latents.device))
    generator = torch.Generator("cpu")
    generator.set_state(tensors[f"{fresh.index}.generator"])
    return Trajectory(
        fresh.index, fresh.seed, sampler, generator, latents.to(fresh.latents), step=step
    )


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
