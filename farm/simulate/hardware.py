"""GPUs and checkpoints on paper: slots, memory, throughput, loads, outages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.catalog import Checkpoint
from shared.cost import estimate_ms
from shared.errors import Refusal
from shared.spec import IMAGES, RenderSpec, WeightedText

GIB = 2**30
LOAD_S = 20.0  # a cold checkpoint, from a local disk; 15 to 30 s are usual


@dataclass(frozen=True, slots=True)
class Model:
    """A checkpoint as the simulator sees it. Its weights take `vram_gb` once, however many draw with it."""

    checkpoint: Checkpoint
    vram_gb: float
    load_s: float = LOAD_S

    def cost_ms(self, steps: int) -> int:
        """A grid of its native size, as admission would estimate it."""
        one = self.checkpoint
        spec = RenderSpec(
            checkpoint=one.name,
            texts=(WeightedText("a lighthouse"),),
            negative="",
            width=one.native,
            height=one.native,
            steps=steps,
            guidance=one.guidance,
            sampler=one.sampler,
            seed=0,
            images=IMAGES,
            scale=one.scale,
        )
        return estimate_ms(spec, one)


@dataclass(frozen=True, slots=True)
class Gpu:
    """`speed` is work done in a millisecond by a job alone, against the catalog's `step_ms`.

    `overhead` is the part of a lone job's step that more jobs of its checkpoint do not make longer: with
    0 they share the throughput of one, with 0.3 four of them do 1.3 times as much. `job_gb` is what each
    running job takes beside the weights.
    """

    slots: int = 4
    vram_gb: float = 24.0
    job_gb: float = 1.0
    speed: float = 1.0
    overhead: float = 0.0

    @property
    def pool_gb(self) -> float:
        """What is left for weights when every slot is taken."""
        return self.vram_gb - self.slots * self.job_gb

    def step(self, jobs: int) -> float:
        """How long a step of so many jobs is, in steps of a lone one."""
        return self.overhead + (1 - self.overhead) * jobs if jobs else 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """So many GPUs die at a moment and come back, cold, at another."""

    at: float
    until: float
    gpus: int


@dataclass(frozen=True, slots=True)
class Farm:
    gpus: int
    gpu: Gpu
    models: Mapping[str, Model]
    outages: tuple[Outage, ...] = ()


def checked(farm: Farm) -> Farm:
    """A farm that can draw, or the Refusal that says why it cannot."""
    gpu = farm.gpu
    if farm.gpus < 1:
        raise Refusal(
            "no_gpus", "Without a GPU nothing is ever drawn: give at least 1.", field="gpus"
        )
    if gpu.slots < 1 or gpu.speed <= 0:
        sentence = "A GPU needs at least 1 slot and a speed above 0."
        raise Refusal("no_gpu", sentence, field="slots")
    for model in farm.models.values():
        if model.vram_gb > gpu.pool_gb:
            raise Refusal("too_large", _too_large(model, gpu), field="vram")
    return farm


def _too_large(model: Model, gpu: Gpu) -> str:
    return (
        f"{model.checkpoint.title} takes {model.vram_gb:g} GB, but of {gpu.vram_gb:g} GB only"
        f" {gpu.pool_gb:g} are left beside {gpu.slots} jobs of {gpu.job_gb:g} GB. Give the GPU more memory"
        " or fewer slots."
    )
