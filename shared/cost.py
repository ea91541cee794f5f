"""GPU-milliseconds of a spec: what is held before, what is charged after. Pure integers out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Protocol

from shared.catalog import Checkpoint
from shared.hires import second_pass
from shared.plans import PlanBook, Speed
from shared.spec import RenderSpec

UPSCALE_MS = 40  # one picture enlarged and filtered: no forward at all
FORWARDS_A_STEP = {"heun": 2}
FORWARDS_BESIDE = {"pndm": 1}
CONTROL_SHARE = 0.6  # of a forward: a ControlNet is the half of its model that encodes
REGION_PROBES = 16  # noises under which a source is looked at with the region's words and without


class Priced(Protocol):
    """A plan or a book of them: what a GPU-millisecond costs at each speed."""

    @property
    def price(self) -> Mapping[Speed, float]: ...


class Accepted(Protocol):
    """A job, as far as its price is concerned."""

    @property
    def plan(self) -> str: ...
    @property
    def speed(self) -> Speed: ...
    @property
    def price(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """What was told when a job was accepted: no change of the plans file changes it."""

    each: float

    @property
    def price(self) -> Mapping[Speed, float]:
        return dict.fromkeys(Speed, self.each)


def priced(job: Accepted, book: PlanBook) -> Priced:
    """What its charge is reckoned by. A job from before prices were kept: its plan's."""
    return book.plan(job.plan) if job.price is None else FixedPrice(job.price)


def estimate_ms(
    spec: RenderSpec, checkpoint: Checkpoint, *, refiner: Checkpoint | None = None
) -> int:
    """Never 0, and on the safe side: `step_ms` carries a reserve, for a hold must not be too small."""
    if spec.steps == 0:
        return UPSCALE_MS * spec.images
    own, refined = _forwards(spec)
    step_ms = checkpoint.step_ms * (1 + CONTROL_SHARE * len(spec.controls))
    refining_ms = (refiner or checkpoint).step_ms
    fixed_ms = checkpoint.fixed_ms * (2 if spec.pictures else 1)  # to latents as well as back
    each_ms = _area(spec, checkpoint) * (own * step_ms + refined * refining_ms + fixed_ms)
    once_ms = _finding_ms(spec, checkpoint)
    return ceil(spec.images * (each_ms + _again_ms(spec, checkpoint)) + once_ms)


def _area(spec: RenderSpec, checkpoint: Checkpoint) -> float:
    return spec.width * spec.height / checkpoint.native**2


def _again_ms(spec: RenderSpec, checkpoint: Checkpoint) -> float:
    """Of one picture's second pass, which is decoded in place of the first."""
    if not spec.hires:
        return 0.0
    return estimate_ms(replace(second_pass(spec, checkpoint), images=1), checkpoint)


def _finding_ms(spec: RenderSpec, checkpoint: Checkpoint) -> float:
    """The region that is named in words is found once for all pictures."""
    if not spec.region or spec.mask:
        return 0.0
    return _area(spec, checkpoint) * (2 * REGION_PROBES * checkpoint.step_ms + checkpoint.fixed_ms)


def _forwards(spec: RenderSpec) -> tuple[int, int]:
    """Of one picture: with the checkpoint, and with its refiner, which `stop` does not shorten."""
    drawn = ceil(spec.steps * spec.strength)
    left = spec.steps * (1 - spec.refiner.at) if spec.refiner else 0.0
    stop = 1.0 if spec.hires else spec.stop  # it stops the second pass
    steps = max(1, ceil((drawn - min(drawn, floor(left))) * stop))
    parts = spec.sampler.split("-")
    each = max(FORWARDS_A_STEP.get(part, 1) for part in parts)
    beside = max(FORWARDS_BESIDE.get(part, 0) for part in parts)
    rows = 2 if spec.guidance > 1 else 1
    return (steps * each + beside) * rows, ceil(min(drawn, left)) * each * rows


def vram_bytes(checkpoint: Checkpoint | None, *, refiner: Checkpoint | None = None) -> int:
    """What a device must be able to hold for it, by the catalog's estimates; 0 where nobody knows. A
    refiner stands beside its base; what a picture takes beside both is the device's reserve."""
    known = [one.vram_gb for one in (checkpoint, refiner) if one is not None]
    return sum(int(each * 2**30) for each in known)


def hold_ms(estimated_ms: int, speed: Speed, priced: Priced) -> int:
    """What the ledger holds for a job at this speed; the charge never exceeds it. `priced` is a plan, as it
    is on that server and for those roles; the book where no plan is known."""
    return ceil(estimated_ms * priced.price[speed])


def charge_ms(gpu_ms: int, speed: Speed, priced: Priced, ceiling_ms: int) -> int:
    """The measured share at the speed's price; `ceiling_ms` is the job's hold."""
    return max(0, min(ceil(gpu_ms * priced.price[speed]), ceiling_ms))
