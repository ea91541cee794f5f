"""From the last step to the parent: decoded, filtered, sent. The loop goes on meanwhile."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from farm.engine.batch import Runnable, estimates, rendered
from farm.engine.cohort import Denoised
from farm.engine.decoding import Decoder
from farm.engine.inspection import Inspections, Then
from farm.engine.job import EngineJob
from farm.engine.line import COURTESY
from farm.engine.memory.pool import Pool
from farm.engine.messages import Finding, Inspect, Inspected, Picture, Preview, ToParent
from farm.engine.overlays import restored
from farm.engine.sidework import Sidework

log = logging.getLogger(__name__)

Decoded = tuple[list[Picture], float]


class Loop(Protocol):
    """The engine, as far as finishing needs it."""

    pool: Pool
    send: Callable[[ToParent], None]
    broken_in_a_row: int

    def runs(self, job: EngineJob) -> bool: ...
    def start_over(self, job: EngineJob, places: Sequence[int]) -> None: ...
    def fail(self, job: EngineJob, problem: Exception) -> None: ...


class Finishing:
    """Jobs between their last step and their delivery."""

    def __init__(self, loop: Loop, inspections: Inspections, *, wake: Callable[[], None]) -> None:
        self.loop = loop
        self.inspections = inspections
        self.decodings = Sidework("decode", wake=wake)
        self.decoder = Decoder(torch.device(loop.pool.device))
        self._jobs: dict[str, EngineJob] = {}

    @property
    def jobs(self) -> list[EngineJob]:
        return list(self._jobs.values())

    @property
    def pending(self) -> bool:
        return bool(self.decodings.pending or self.inspections.pending)

    def collect(self) -> None:
        self.decodings.collect()
        self.inspections.collect()

    def drop(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)

    def begin(self, job: EngineJob) -> None:
        self._jobs[job.id] = job
        family, after = job.eye, self.decoder.mark()
        latents = [one.latents for one in job.trajectories]
        seeds = [one.seed for one in job.trajectories]
        self.decodings.ask(
            lambda: _whole(job, self.decoder.pictures(family, latents, seeds, after)),
            then=lambda decoded: self._decoded(job, decoded),
            fails=lambda problem: self._not_decoded(job, problem),
            rank=job.render.rank,
        )

    def _has(self, job: EngineJob) -> bool:
        return self._jobs.get(job.id) is job

    def _decoded(self, job: EngineJob, decoded: Decoded) -> None:
        if not self._has(job):
            return
        pictures, job.decode_ms = decoded
        job.gpu_ms += job.decode_ms

        def deliver(findings: list[Finding], filter_ms: int) -> None:
            if self._has(job):
                del self._jobs[job.id]
                self.loop.broken_in_a_row = 0
                self.loop.send(rendered(job, pictures, findings, filter_ms))

        self._ask(job, pictures, deliver, rank=job.render.rank)

    def _not_decoded(self, job: EngineJob, problem: Exception) -> None:
        if not self._has(job):
            return
        del self._jobs[job.id]
        if isinstance(problem, ArithmeticError):
            self._start_over(job)
        else:
            self.loop.fail(job, problem)

    def _start_over(self, job: EngineJob) -> None:
        """Which of them broke is not known by its latents if only the decoder failed: then all."""
        sound = [bool(one.latents.isfinite().all()) for one in job.trajectories]
        broken = [place for place, good in enumerate(sound) if not good]
        self.loop.start_over(job, broken or range(len(sound)))

    # --- courtesies --------------------------------------------------------------------------

    def preview(self, job: EngineJob, batch: list[Runnable], denoised: Denoised) -> None:
        """Left out while the last one is on its way, or while not all its pictures ran together."""
        places = [place for place, (one, _) in enumerate(batch) if one is job]
        if job.previewing or len(places) != len(job.trajectories) or self._two_legged(job):
            return
        step, job.previewing = job.step, True
        family, after = job.eye, self.decoder.mark()
        rough = list(estimates(job, places, denoised).split(1))
        seeds = [one.seed for one in job.trajectories]
        self.decodings.ask(
            lambda: self.decoder.pictures(family, rough, seeds, after),
            then=lambda decoded: self._inspect_preview(job, step, decoded[0]),
            fails=lambda problem: self._no_preview(job, step, problem),
            rank=COURTESY,
        )

    @staticmethod
    def _two_legged(job: EngineJob) -> bool:
        """A refiner's noise is not the base's; a second pass of the same checkpoint is one more size."""
        return len({id(leg.loaded) for leg in job.trajectories[0].legs}) > 1

    def _no_preview(self, job: EngineJob, step: int, problem: Exception) -> None:
        job.previewing = False
        log.warning("No preview of job %s at step %d.", job.id, step, exc_info=problem)

    def _inspect_preview(self, job: EngineJob, step: int, pictures: list[Picture]) -> None:
        def deliver(findings: list[Finding], _: int) -> None:
            job.previewing = False
            if self.loop.runs(job):
                self.loop.send(Preview(job.id, step, pictures, findings))

        self._ask(job, pictures, deliver, rank=COURTESY)

    def _ask(self, job: EngineJob, pictures: list[Picture], then: Then, *, rank: int) -> None:
        self.inspections.ask(
            job.spec.checkpoint, pictures, then, rank=rank, strict=job.render.strict
        )

    def inspect(self, inspect: Inspect) -> None:
        def deliver(findings: list[Finding], filter_ms: int) -> None:
            self.loop.send(Inspected(inspect.job_id, findings, filter_ms))

        whose = inspect.checkpoint or self.loop.pool.catalog.default
        self.inspections.ask(
            whose, inspect.pictures, deliver, rank=inspect.rank, strict=inspect.strict
        )


def _whole(job: EngineJob, decoded: Decoded) -> Decoded:
    """With the source's own pixels where nothing was to be drawn."""
    pictures, took_ms = decoded
    return restored(job.render, job.spec, pictures), took_ms
