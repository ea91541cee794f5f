"""Whether any worker there is could ever run a job: what no GPU can hold must not wait for one. Pure."""

from collections.abc import Sequence
from typing import Protocol

from shared.catalog import Catalog, Checkpoint
from shared.cost import vram_bytes
from shared.errors import Refusal
from shared.spec import RenderSpec

RECENTLY_S = 300.0  # a worker not seen for so long may never come back
_GIB = 2**30
_NAMED = 3  # of the checkpoints that would fit


class Gpu(Protocol):
    """`vram_bytes` is what checkpoints may take on it; 0 where it is not known."""

    @property
    def device(self) -> str: ...
    @property
    def vram_bytes(self) -> int: ...


def needed_bytes(spec: RenderSpec, catalog: Catalog) -> int:
    """Of device memory, as the scheduler counts it. 0: not known, or nothing is drawn."""
    if spec.steps == 0:
        return 0
    refiner = catalog.get(spec.refiner.checkpoint) if spec.refiner else None
    return vram_bytes(catalog.get(spec.checkpoint), refiner=refiner)


def check_fits(spec: RenderSpec, catalog: Catalog, fleet: Sequence[Gpu]) -> None:
    """An empty fleet refuses nothing: a larger GPU may come up. Unknown memory counts as enough."""
    needed = needed_bytes(spec, catalog)
    if not fleet or any(_holds(gpu, needed) for gpu in fleet):
        return
    largest = max(fleet, key=lambda gpu: gpu.vram_bytes)
    names = " with ".join(one.title for one in _worn(spec, catalog))
    sentence = (
        f"{names} needs {_gb(needed)} of GPU memory, and the largest GPU here, {largest.device},"
        f" has {_gb(largest.vram_bytes)} for it. {_advice(catalog, largest.vram_bytes)}"
    )
    raise Refusal("no_gpu_large_enough", sentence, field="checkpoint")


def _holds(gpu: Gpu, needed: int) -> bool:
    """As the scheduler places jobs: what is accepted must have a place to go to."""
    return gpu.vram_bytes == 0 or gpu.vram_bytes >= needed


def _worn(spec: RenderSpec, catalog: Catalog) -> list[Checkpoint]:
    names = [spec.checkpoint, *([spec.refiner.checkpoint] if spec.refiner else [])]
    return [catalog.get(name) for name in names]


def _advice(catalog: Catalog, room: int) -> str:
    """The largest that fit come first; those that only end what others began are no way out."""
    able = [one for one in catalog.checkpoints.values() if not one.refiner]
    fitting = [one for one in able if int(one.vram_gb * _GIB) <= room]
    fitting.sort(key=lambda one: -one.vram_gb)
    if not fitting:
        return "Ask an operator for a larger one."
    return f"Would fit: {', '.join(one.title for one in fitting[:_NAMED])}."


def _gb(size: int) -> str:
    return f"{size / _GIB:.1f} GB"
