"""The loop that owns the device. One `step()`: choose, denoise, advance, retire."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import torch

from farm.engine import batching, rows
from farm.engine.batch import Runnable, candidate, estimates, jobs_of, rendered, rows_of
from farm.engine.failures import explain, is_out_of_memory
from farm.engine.inspection import Inspections
from farm.engine.job import EngineJob
from farm.engine.messages import (
    Failed,
    Finding,
    GivenBack,
    Inspect,
    Inspected,
    Loading,
    Picture,
    Preview,
    Render,
    ToParent,
)
from farm.engine.pixels import pictures_of
from farm.engine.pool import Pool
from farm.engine.rows import Denoised, Layout
from farm.engine.snapshots import SnapshotWriter
from shared.errors import Fault

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.1  # a person reads no faster

Send = Callable[[ToParent], None]


class Engine:
    """`send` takes what the parent must know. One thread owns the engine and calls all of it."""

    def __init__(
        self,
        pool: Pool,
        *,
        rows: int,
        snapshots: SnapshotWriter,
        inspections: Inspections,
        send: Send,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.pool = pool
        self.rows = rows
        self.snapshots = snapshots
        self.inspections = inspections
        self.send = send
        self.clock = clock
        self.running: dict[str, EngineJob] = {}
        self.inspecting: dict[str, EngineJob] = {}
        self.arrivals = count()
        self.layout: Layout | None = None
        self.pressed = False
        self.counts: Counter[str] = Counter()

    # --- the loop ----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """No step to do until a message arrives or the filter answers."""
        return not self.running

    @torch.inference_mode()
    def step(self) -> None:
        self.inspections.collect()
        started = self.clock()
        batch = self._choose()
        for part, denoised in self._denoise(batch):
            self._advance(part, denoised)
        self._charge(batch, (self.clock() - started) * 1e3)
        self._retire()

    def _choose(self) -> list[Runnable]:
        runnable = [
            (job, row)
            for job in self.running.values()
            for row in job.rows
            if not row.trajectory.finished
        ]
        chosen = set(batching.choose([candidate(*one) for one in runnable], rows=self.rows))
        self.pressed = len(chosen) < len(runnable)
        for place, (_, row) in enumerate(runnable):
            row.trajectory.parked = 0 if place in chosen else row.trajectory.parked + 1
        return [one for place, one in enumerate(runnable) if place in chosen]

    def _denoise(self, batch: list[Runnable]) -> Iterator[tuple[list[Runnable], Denoised]]:
        """In one forward if it can be; otherwise in halves, down to the one job that cannot."""
        if not batch:
            return
        try:
            denoised = rows.denoise(batch[0][0].loaded.family, self._lay_out(batch))
        except Exception as problem:
            yield from self._denoise_halves(batch, problem)
        else:
            self.counts["forwards"] += 1
            self.counts["rows"] += rows_of(batch)
            yield batch, denoised

    def _denoise_halves(
        self, batch: list[Runnable], problem: Exception
    ) -> Iterator[tuple[list[Runnable], Denoised]]:
        if is_out_of_memory(problem):
            self.rows = max(1, min(self.rows, rows_of(batch)) // 2)
            log.warning("Out of memory: from now on %d rows in a forward.", self.rows)
        if len(batch) == 1:
            self._fail(batch[0][0], problem)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            yield from self._denoise([one for one in half if self._runs(one[0])])

    def _lay_out(self, batch: list[Runnable]) -> Layout:
        members = tuple(row.trajectory for _, row in batch)
        if self.layout is None or self.layout.members != members:
            self.layout = Layout.build([row for _, row in batch], batch[0][0].loaded.family)
        return self.layout

    def _advance(self, batch: list[Runnable], denoised: Denoised) -> None:
        for place, (job, row) in enumerate(batch):
            if not self._runs(job):
                continue
            if not denoised.sound[place]:
                self._start_over(job)
                continue
            try:
                row.trajectory.advance(denoised.predictions[place : place + 1])
            except Exception as problem:
                self._fail(job, problem)
        for job in jobs_of(batch):
            if self._runs(job):
                self._report(job, batch, denoised)

    def _charge(self, batch: list[Runnable], took_ms: float) -> None:
        """Each row pays its share of the step, so that the shares add up to the loop's time."""
        now = self.clock()
        for job, row in batch:
            job.gpu_ms += took_ms * row.conditioning.rows / rows_of(batch)
        for job in jobs_of(batch):
            job.ran(now, took_ms)

    def _retire(self) -> None:
        for job in [job for job in self.running.values() if job.finished]:
            started = self.clock()
            try:
                pictures = self._decode(job)
            except ArithmeticError:
                self._start_over(job)
                continue
            except Exception as problem:
                self._fail(job, problem)
                continue
            job.decode_ms = (self.clock() - started) * 1e3
            job.gpu_ms += job.decode_ms
            self.inspecting[job.id] = self.running.pop(job.id)
            self._inspect(job, pictures)

    def _decode(self, job: EngineJob) -> list[Picture]:
        latents = [one.latents for one in job.trajectories]
        seeds = [one.seed for one in job.trajectories]
        family = job.loaded.family
        try:
            return pictures_of(family.decode(torch.cat(latents)), seeds)
        except Exception as problem:
            if not is_out_of_memory(problem):
                raise
            return pictures_of(torch.cat([family.decode(one) for one in latents]), seeds)

    def _inspect(self, job: EngineJob, pictures: list[Picture]) -> None:
        def deliver(findings: list[Finding], filter_ms: int) -> None:
            if self.inspecting.get(job.id) is job:
                del self.inspecting[job.id]
                self.send(rendered(job, pictures, findings, filter_ms))

        self.inspections.ask(job.spec.checkpoint, pictures, deliver)

    # --- what the parent is told on the way --------------------------------------------------

    def _report(self, job: EngineJob, batch: list[Runnable], denoised: Denoised) -> None:
        now, render = self.clock(), job.render
        if job.finished or now - job.told_at >= TELL_EVERY_S:
            job.told_at = now
            self.send(job.progress())
        if job.finished:
            return
        if render.snapshot_every and job.step - job.saved_at >= render.snapshot_every:
            job.saved_at = job.step
            self.snapshots.save(job.snapshot())
        if render.preview_every and job.step - job.previewed_at >= render.preview_every:
            job.previewed_at = job.step
            self._preview(job, batch, denoised)

    def _preview(self, job: EngineJob, batch: list[Runnable], denoised: Denoised) -> None:
        """A courtesy: left out while others wait for rows, or while the last one is being filtered."""
        places = [place for place, (one, _) in enumerate(batch) if one is job]
        if self.pressed or job.previewing or len(places) != len(job.trajectories):
            return
        try:
            pixels = job.loaded.family.decode(estimates(job, places, denoised))
        except Exception:
            log.warning("No preview of job %s at step %d.", job.id, job.step, exc_info=True)
            return
        self._inspect_preview(job, pictures_of(pixels, [one.seed for one in job.trajectories]))

    def _inspect_preview(self, job: EngineJob, pictures: list[Picture]) -> None:
        step, job.previewing = job.step, True

        def deliver(findings: list[Finding], _: int) -> None:
            job.previewing = False
            if self._runs(job):
                self.send(Preview(job.id, step, pictures, findings))

        self.inspections.ask(job.spec.checkpoint, pictures, deliver)

    # --- what the parent asks ----------------------------------------------------------------

    @torch.inference_mode()
    def admit(self, render: Render) -> None:
        self.drop(render.job_id, forget=False)
        try:
            job = self._begin(render)
        except Exception as problem:
            self._tell_failed(render, problem)
            return
        self.running[job.id] = job
        self.pool.trim([one.loaded for one in self.running.values()])
        if job.resumed_from:
            self.send(job.progress())

    def drop(self, job_id: str, *, forget: bool) -> None:
        self.running.pop(job_id, None)
        self.inspecting.pop(job_id, None)
        if forget:
            self.snapshots.forget(job_id)

    def inspect(self, inspect: Inspect) -> None:
        def deliver(findings: list[Finding], filter_ms: int) -> None:
            self.send(Inspected(inspect.job_id, findings, filter_ms))

        self.inspections.ask(self.pool.catalog.default, inspect.pictures, deliver)

    def drain(self) -> None:
        """Every job to the disk and back to the parent."""
        jobs = [*self.running.values(), *self.inspecting.values()]
        for job in jobs:
            self.snapshots.save(job.snapshot())
        self.snapshots.flush()
        for job in jobs:
            self.drop(job.id, forget=False)
            self.send(GivenBack(job.id, job.render.attempt, job.step))

    def _begin(self, render: Render) -> EngineJob:
        name = str(render.spec.get("checkpoint"))
        if not self.pool.is_warm(name):
            self.send(Loading(render.job_id, name))
        started = self.clock()
        loaded = self.pool.get(name)
        load_ms = (self.clock() - started) * 1e3
        job = EngineJob.begin(render, loaded, arrived=next(self.arrivals))
        job.load_ms = load_ms
        self.snapshots.resume(job.identity, job.resume)
        return job

    # --- when it goes wrong ------------------------------------------------------------------

    def _runs(self, job: EngineJob) -> bool:
        return self.running.get(job.id) is job

    def _start_over(self, job: EngineJob) -> None:
        """A row that is no number any more: once more from the start in full precision, if it was not."""
        if job.loaded.family.dtype is torch.float32:
            sentence = "The picture broke while it was drawn; another seed will very likely work."
            self._fail(job, Fault("not_finite", sentence))
            return
        log.warning("Job %s is drawn again in full precision.", job.id)
        self.snapshots.forget(job.id)
        try:
            loaded = self.pool.get(job.spec.checkpoint, torch.float32)
            again = EngineJob.begin(job.render, loaded, arrived=job.arrived)
        except Exception as problem:
            self._fail(job, problem)
            return
        again.gpu_ms, again.load_ms = job.gpu_ms, job.load_ms
        self.running[job.id] = again

    def _fail(self, job: EngineJob, problem: Exception) -> None:
        """This job alone. Snapshots stay for a retry on another device."""
        if self.running.pop(job.id, None) is None:
            return
        self._tell_failed(job.render, problem)

    def _tell_failed(self, render: Render, problem: Exception) -> None:
        failure = explain(problem)
        if not failure.retryable:
            self.snapshots.forget(render.job_id)
        self.send(
            Failed(render.job_id, render.attempt, failure.code, failure.sentence, failure.retryable)
        )
