"""The trajectories of one forward with their jobs, and what is read off them."""

from collections.abc import Iterable

import torch

from farm.engine.batching import Candidate
from farm.engine.cohort import Denoised
from farm.engine.guidance import carried
from farm.engine.job import EngineJob
from farm.engine.messages import Finding, Picture, Rendered
from farm.engine.trajectory import Trajectory

Runnable = tuple[EngineJob, Trajectory]


def candidate(job: EngineJob, one: Trajectory) -> Candidate:
    return Candidate(
        key=one.key,
        rank=job.render.rank,
        arrived=job.arrived,
        rows=one.rows,
    )


def rows_of(batch: Iterable[Runnable]) -> int:
    return sum(one.rows for _, one in batch)


def jobs_of(batch: Iterable[Runnable]) -> list[EngineJob]:
    return list(dict.fromkeys(job for job, _ in batch))


def estimates(job: EngineJob, places: list[int], denoised: Denoised) -> torch.Tensor:
    family = job.trajectories[0].leg.loaded.family
    rows = carried(torch.tensor(places), denoised.seen.device)  # a list would make the loop wait
    return family.estimate(
        denoised.seen.index_select(0, rows),
        denoised.predictions.index_select(0, rows),
        [denoised.moments[place] for place in places],
    )


def rendered(
    job: EngineJob, pictures: list[Picture], findings: list[Finding], filter_ms: int
) -> Rendered:
    return Rendered(
        job_id=job.id,
        attempt=job.render.attempt,
        pictures=pictures,
        findings=findings,
        gpu_ms=max(1, round(job.gpu_ms)),
        load_ms=round(job.load_ms),
        denoise_ms=round(job.denoise_ms),
        decode_ms=round(job.decode_ms),
        filter_ms=filter_ms,
        resumed_from=job.resumed_from,
    )
