"""The loop that owns the device. One `step()`: collect, choose, run, charge, retire."""

import logging
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import torch

from farm.engine.batch import Runnable, jobs_of, rows_of
from farm.engine.batching import Group
from farm.engine.cohort import Cohort, Denoised
from farm.engine.curve import Curve
from farm.engine.entrance import Entrance
from farm.engine.failures import explain, is_out_of_memory
from farm.engine.finishing import Finishing
from farm.engine.inspection import Inspections
from farm.engine.job import EngineJob
from farm.engine.memory.headroom import Headroom
from farm.engine.memory.ladder import Ladder, Rung, handed_back
from farm.engine.memory.pool import Pool
from farm.engine.messages import Expect, Failed, GivenBack, Inspect, Render, ToParent
from farm.engine.order import Order
from farm.engine.parking import Parking
from farm.engine.preparation import HIGHER
from farm.engine.sentry import Sentry
from farm.engine.snapshots import SnapshotWriter
from farm.engine.trajectory import Trajectory
from farm.engine.weights.checkpoints import Loaded
from shared.errors import Fault

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.1  # a person reads no faster
SICK_AFTER = 3  # jobs in a row that broke twice: it is the device, not the picture

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
        wake: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.pool = pool
        self.rows = rows
        self.snapshots = snapshots
        self.send = send
        self.headroom = Headroom(pool.device)
        self.clock = clock
        self.entrance = Entrance(self, snapshots, wake=wake)
        self.finishing = Finishing(self, inspections, wake=wake)
        self.running: dict[str, EngineJob] = {}
        self.cohorts: dict[Group, Cohort] = {}
        self.curves: defaultdict[Group, Curve] = defaultdict(Curve)
        self.order = Order(self._cap, lambda key, rows: self.curves[key].cost(rows))
        self.parking = Parking(self, snapshots, self.entrance, wake=wake)
        self.ladder = Ladder()
        self.sentry = Sentry()
        self.broken_in_a_row = 0
        self.counts: Counter[str] = Counter()

    # --- the loop ----------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """No step to do until a message arrives or work beside the loop ends."""
        return self.parking.idle and not any(job.runnable for job in self.running.values())

    @property
    def busy_beside(self) -> bool:
        return self.entrance.pending or self.finishing.pending or self.parking.pending

    @property
    def sick(self) -> bool:
        """The device breaks one picture after another, also in higher precision."""
        return self.broken_in_a_row >= SICK_AFTER

    @torch.inference_mode()
    def step(self) -> None:
        self.collect()
        started = self.clock()
        batch = self._choose()
        self._run(batch)
        self._charge(batch, (self.clock() - started) * 1e3)
        self._retire()

    def collect(self) -> None:
        """What ended beside the loop."""
        self.finishing.collect()
        self.parking.collect()
        self.entrance.collect()

    def let_go(self) -> None:
        """Of jobs that have ended, and so of their checkpoints."""
        self._review()
        self.pool.trim(self.in_use())

    # --- who runs ----------------------------------------------------------------------------

    def _choose(self) -> list[Runnable]:
        if self.order.due:
            self._review()
        return self.order.next()

    def _review(self) -> None:
        self.order.review(self.running.values())
        for key in self.cohorts.keys() - self.order.groups:
            self.cohorts.pop(key).dissolve()
        self.parking.look()

    def _cap(self, key: Group) -> int:
        most = min(self.rows, self.ladder.rows or self.rows)
        return self.curves[key].cap(most, free_bytes=self.headroom.free_bytes)

    # --- a forward ---------------------------------------------------------------------------

    def _run(self, batch: list[Runnable]) -> None:
        """In one forward if it can be; otherwise in halves, down to the one job that cannot."""
        if not batch:
            return
        started = self.clock()
        try:
            cohort = self._cohort(batch)
            with self.headroom.forward():
                denoised = cohort.denoise()
        except Exception as problem:
            self._run_halves(batch, problem)
            return
        self.counts["forwards"] += 1
        self.counts["rows"] += rows_of(batch)
        self._recover(batch)
        self._advance(batch, cohort, denoised)
        self.curves[batch[0][1].key].saw(
            rows_of(batch), (self.clock() - started) * 1e3, extra_bytes=self.headroom.taken
        )

    def _cohort(self, batch: list[Runnable]) -> Cohort:
        key, members = batch[0][1].key, tuple(one for _, one in batch)
        cohort = self.cohorts.get(key)
        if cohort is None or cohort.spent or not cohort.holds(members):
            if cohort is not None:
                cohort.dissolve()
            cohort = self.cohorts[key] = Cohort(members)
        return cohort

    def _run_halves(self, batch: list[Runnable], problem: Exception) -> None:
        self.order.changed = True
        if is_out_of_memory(problem):
            traceback.clear_frames(problem.__traceback__)  # they hold what did not fit
            self._descend(batch)
        elif len(batch) == 1:
            self._fail(batch[0][0], problem)
        else:
            self._run_each(batch)

    def _recover(self, batch: list[Runnable]) -> None:
        """After long enough without trouble, one rung up; the text encoders come back too."""
        before = self.ladder.rung
        if self.ladder.after_good_step() < before is Rung.OFFLOADED:
            self.pool.call_back(batch[0][1].leg.loaded)

    def _run_each(self, batch: list[Runnable]) -> None:
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            self._run([one for one in half if self.runs(one[0])])

    def _descend(self, batch: list[Runnable]) -> None:
        """One rung down the ladder for each forward that did not fit, the last one to a larger GPU."""
        job, loaded = batch[0][0], batch[0][1].leg.loaded
        self.counts["out_of_memory"] += 1
        self.parking.rest()
        match self.ladder.after_oom(rows_of(batch), splits=len(batch) > 1):
            case Rung.SPLIT:
                log.warning("Out of memory: from now on %s rows in a forward.", self.ladder.rows)
                self._run_each(batch)
            case Rung.HAND_BACK:
                self._fail(job, handed_back(loaded.name))
            case rung:
                log.warning("Out of memory with one picture: %s.", rung.name.lower())
                if rung is Rung.OFFLOADED:
                    self.pool.offload(loaded)
                self._run(batch)

    def _advance(self, batch: list[Runnable], cohort: Cohort, denoised: Denoised) -> None:
        self.sentry.look(denoised.sound, cohort.members)
        for place, problem in self._stepped(batch, cohort, denoised).items():
            self._fail(batch[place][0], problem)
        self._mend(batch)
        self.order.changed |= cohort.spent
        for job in jobs_of(batch):
            if self.runs(job):
                self._report(job, batch, denoised)
                self._raise(job)

    def _raise(self, job: EngineJob) -> None:
        """Beside the loop, as whatever needs the autoencoder."""
        for place in job.rising:
            job.mending.add(place)
            job.trajectories[place].leave()
            self._rise(job, place)

    def _rise(self, job: EngineJob, place: int) -> None:
        self.entrance.rise(
            job,
            place,
            then=lambda fresh: self._mended(job, place, fresh),
            fails=lambda problem: self._fail(job, problem),
        )

    @staticmethod
    def _stepped(batch: list[Runnable], cohort: Cohort, denoised: Denoised) -> dict[int, Exception]:
        """Which of them could not take the step; all, when the update itself could not be made."""
        try:
            return cohort.advance(denoised)
        except Exception as problem:
            return dict.fromkeys(range(len(batch)), problem)

    def _charge(self, batch: list[Runnable], took_ms: float) -> None:
        """Each row pays its share of the step, so that the shares add up to the loop's time."""
        now, rows = self.clock(), rows_of(batch)
        for job, one in batch:
            job.gpu_ms += took_ms * one.rows / rows
        self.order.ran(batch, took_ms)
        for job in jobs_of(batch):
            job.ran(now, took_ms)

    def _retire(self) -> None:
        """Also who came from a snapshot of its last step, and never takes part in a forward."""
        for job in [job for job in self.running.values() if job.finished]:
            del self.running[job.id]
            self.finishing.begin(job)

    # --- what the parent is told on the way --------------------------------------------------

    def _report(self, job: EngineJob, batch: list[Runnable], denoised: Denoised) -> None:
        now, render = self.clock(), job.render
        finished = job.finished
        if finished or now - job.told_at >= TELL_EVERY_S:
            job.told_at = now
            self.send(job.progress())
        if finished or not (render.snapshot_every or render.preview_every):
            return
        step = job.step
        if render.snapshot_every and step - job.saved_at >= render.snapshot_every:
            job.saved_at = step
            self.snapshots.save(job.snapshot())
        if render.preview_every and step - job.previewed_at >= render.preview_every:
            job.previewed_at = step
            if not self.order.pressed:  # a courtesy, left out while others wait for rows
                self.finishing.preview(job, batch, denoised)

    # --- what the parent asks ----------------------------------------------------------------

    def admit(self, render: Render) -> None:
        """A second attempt takes the place of the first."""
        self.drop(render.job_id, forget=False)
        self.entrance.admit(render)

    def join(self, job: EngineJob) -> None:
        job.ran_at = self.clock()
        job = self.parking.back(job)
        self.running[job.id] = job
        self.order.changed = True
        self.pool.trim(self.in_use())
        if job.done:
            self.send(job.progress())
        self._raise(job)

    def drop(self, job_id: str, *, forget: bool) -> None:
        self.entrance.drop(job_id)
        self.parking.drop(job_id)
        self.running.pop(job_id, None)
        self.finishing.drop(job_id)
        self.order.changed = True
        if forget:
            self.snapshots.forget(job_id)

    def inspect(self, inspect: Inspect) -> None:
        self.finishing.inspect(inspect)

    def expect(self, expect: Expect) -> None:
        self.pool.expect(expect.checkpoints)

    def drain(self) -> None:
        """Every job to the disk and back to the parent."""
        jobs = [*self.running.values(), *self.finishing.jobs]
        for job in jobs:
            self._save(job)
        self.snapshots.flush()
        self.entrance.give_back()
        self.parking.give_back()
        for job in jobs:
            self.drop(job.id, forget=False)
            self.send(GivenBack(job.id, job.render.attempt, job.step))

    def _save(self, job: EngineJob) -> None:
        """A device that is broken may not let go of its rows: the job then begins anew elsewhere."""
        try:
            self.snapshots.save(job.snapshot())
        except Exception:
            log.exception("Job %s could not be saved; it is given back all the same.", job.id)

    def in_use(self) -> list[Loaded]:
        jobs = [*self.running.values(), *self.finishing.jobs]
        return [loaded for job in jobs for loaded in job.in_use]

    # --- when it goes wrong ------------------------------------------------------------------

    def runs(self, job: EngineJob) -> bool:
        return self.running.get(job.id) is job

    def _mend(self, batch: list[Runnable]) -> None:
        """Rows that are no numbers any more, as far as the device has told."""
        for broken in self.sentry.broken():
            for job in [job for job in self.running.values() if broken in job.trajectories]:
                self.start_over(job, [job.trajectories.index(broken)])

    def start_over(self, job: EngineJob, places: Sequence[int]) -> None:
        """These trajectories alone, once, from their start, in the next higher precision."""
        broken = [job.trajectories[place] for place in places]
        if any(one.retried or one.leg.loaded.family.dtype not in HIGHER for one in broken):
            self.broken_in_a_row += 1
            sentence = "The picture broke while it was drawn; another seed will very likely work."
            self.fail(job, Fault("not_finite", sentence))
            return
        self.running[job.id] = job
        self.order.changed = True
        for place in set(places) - job.mending:
            self._begin_again(job, place)

    def _begin_again(self, job: EngineJob, place: int) -> None:
        log.warning("Picture %d of job %s is drawn again in higher precision.", place, job.id)
        job.mending.add(place)
        self.counts["redrawn"] += 1
        self.entrance.again(
            job,
            place,
            then=lambda fresh: self._mended(job, place, fresh),
            fails=lambda problem: self._fail(job, problem),
        )

    def _mended(self, job: EngineJob, place: int, fresh: Trajectory) -> None:
        job.trajectories[place] = fresh
        job.mending.discard(place)
        self.order.changed = True

    def fail(self, job: EngineJob, problem: Exception) -> None:
        """This job alone. Snapshots stay for a retry on another device."""
        self.running.pop(job.id, None)
        self.order.changed = True
        self.tell_failed(job.render, problem)

    def _fail(self, job: EngineJob, problem: Exception) -> None:
        if self.runs(job):
            self.fail(job, problem)

    def tell_failed(self, render: Render, problem: Exception) -> None:
        failure = explain(problem)
        self.parking.drop(render.job_id)
        if not failure.retryable:
            self.snapshots.forget(render.job_id)
        self.send(
            Failed(render.job_id, render.attempt, failure.code, failure.sentence, failure.retryable)
        )
