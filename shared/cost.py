"""GPU-milliseconds of a spec: what is held before, what is charged after. Pure integers out."""

from math import ceil

from shared.catalog import Checkpoint
from shared.plans import PlanBook, Speed
from shared.spec import RenderSpec

UPSCALE_MS = 40  # one picture enlarged and filtered: no forward at all
FORWARDS_A_STEP = {"heun": 2}


def estimate_ms(spec: RenderSpec, checkpoint: Checkpoint) -> int:
    """Never 0, and on the safe side: `step_ms` carries a reserve, for a hold must not be too small."""
    if spec.steps == 0:
        return UPSCALE_MS * spec.images
    area = spec.width * spec.height / checkpoint.native**2
    rows = 2 if spec.guidance > 1 else 1
    forwards = spec.steps * FORWARDS_A_STEP.get(spec.sampler, 1) * rows
    return ceil(spec.images * area * (forwards * checkpoint.step_ms + checkpoint.fixed_ms))


def hold_ms(estimated_ms: int, speed: Speed, book: PlanBook) -> int:
    """What the ledger holds for a job at this speed; the charge never exceeds it."""
    return ceil(estimated_ms * book.price[speed])


def charge_ms(gpu_ms: int, speed: Speed, book: PlanBook, ceiling_ms: int) -> int:
    """The measured share at the speed's price; `ceiling_ms` is the job's hold."""
    return max(0, min(ceil(gpu_ms * book.price[speed]), ceiling_ms))
