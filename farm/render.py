"""One job at its worker, top to bottom: draw, check, deliver, settle."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from farm import blame, delivery, endings, pictures, rulings
from farm.blame import Then
from farm.child import EngineGone, LeaseRunOut, OwnershipLost, Talk
from farm.endings import Bench, Drawn
from farm.engine.messages import (
    Failed,
    Finding,
    Garment,
    GivenBack,
    Input,
    Inspect,
    Inspected,
    Loading,
    Paused,
    Picture,
    Preview,
    Render,
    Rendered,
    Stepped,
    ToParent,
)
from farm.previews import Previews
from farm.sources import SourceBlocked, Sources, strangers
from shared import jobstore
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job
from shared.plans import Speed
from shared.spec import Source
from shared.telemetry import about_job

log = logging.getLogger(__name__)

RANK = {Speed.TURBO: 0, Speed.FAST: 1, Speed.RELAX: 2}
PROGRESS_EVERY_S = 0.25  # a message is edited every 1.5 s at best; a terminal's bar likes more
PAUSED = "paused for a faster job"
CROWDED = "paused: the jobs before it fill the GPU"
STORAGE_PATIENCE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
T = TypeVar("T")


class Deployed(Exception):
    """The engine saved the job for another worker, because this one is about to stop."""


class Walk:
    """`leaving` says whether this worker is stopping: then a lost child is no crash. `outage` is told
    when the store or the database was away for too long."""

    def __init__(
        self,
        job: Job,
        talk: Talk,
        bench: Bench,
        *,
        leaving: Callable[[], bool],
        outage: Callable[[], None] = lambda: None,
    ) -> None:
        self.job = job
        self.talk = talk
        self._bench = bench
        self._leaving, self._outage = leaving, outage
        self._told_at = float("-inf")
        self._slow_to_tell = False  # Redis hangs: a picture must not wait for its progress bar
        self._previews = Previews(job, bench)
        self._sources = Sources(self._get, bench.watch, bench.cell)

    async def run(self) -> None:
        """Never raises: every way this can end is an ending of the job."""
        with about_job(self.job.id):
            await self._run()

    async def _run(self) -> None:
        try:
            await self._walk()
            await self.talk.drop(forget=True)
        except OwnershipLost:
            await self._let_go()
        except SourceBlocked as source:
            await self._try(self._source_blocked(source.finding))
        except Deployed:
            await self._try(endings.given_back(self._bench, self.job))
        except LeaseRunOut:
            await self._try(self._stop_and_give_back())
        except EngineGone:
            await self._try(self._engine_gone())
        except Fault as fault:
            await self._try(self._faulted(fault))
        except Exception:
            log.exception("Job %s met an error nobody expected.", self.job.id)
            await self._try(self._faulted(UNEXPECTED))
        finally:
            self.talk.leave()
            await self._previews.close()

    async def _walk(self) -> None:
        drawn = await self._draw()
        self.talk.leave()
        self._previews.stop()
        self._bench.fuse.heard(self.job.spec.checkpoint, drawn.pictures, drawn.findings)
        if delivery.all_allowed(drawn.pictures, drawn.findings):
            await self._deliver(drawn)
        else:
            await endings.blocked(self._bench, self.job, drawn)

    async def _source_blocked(self, finding: Finding) -> None:
        """Nothing was drawn."""
        self._bench.fuse.heard(self.job.spec.checkpoint, [], [finding])
        await endings.blocked(self._bench, self.job, Drawn([], [finding], 0, {}))

    async def _draw(self) -> Drawn:
        if self.job.spec.steps == 0 and self.job.spec.sources:
            return await self._fetch_and_inspect(self.job.spec.sources[0])
        return await self._render()

    async def _render(self) -> Drawn:
        garments = await self._garments()
        inputs = await self._inputs()
        await self.talk.say(self._order(inputs, garments))
        rendered = await self._hear(Rendered)
        if rendered.resumed_from:
            log.info("Job %s was resumed at step %d.", self.job.id, rendered.resumed_from)
        found = await self._screened(rendered.pictures, rendered.findings)
        return Drawn(rendered.pictures, found, rendered.gpu_ms, self._timings(rendered))

    async def _garments(self) -> list[Garment]:
        """The LoRAs that people brought, as files on this host."""
        closet = self._bench.closet
        if closet is None or not self.job.spec.loras:
            return []
        garments = await self._stored(lambda: closet.wanted(self.job.spec))
        self._bench.packer.bring(garments)
        return garments

    async def _screened(
        self, drawn: Sequence[Picture], findings: Sequence[Finding]
    ) -> Sequence[Finding]:
        return await self._bench.watch.screen(drawn, rulings.known(findings))

    async def _inputs(self) -> list[Input]:
        """SourceBlocked unless the filter allows every picture that was not delivered by us."""
        keys = [source.key for source in self.job.spec.pictures]
        delivered = await endings.delivered(self._bench, keys) if keys else set()
        inputs = await self._sources.all(self.job.spec, delivered)
        strange = strangers(self.job.spec, inputs, delivered)
        if strange:
            await self.talk.say(self._question(strange))
            found = rulings.known((await self._hear(Inspected)).findings)
            if not delivery.all_allowed(strange, found):
                raise SourceBlocked(rulings.worst_of(found))
        return inputs

    def _timings(self, rendered: Rendered) -> dict[str, int]:
        return {
            "queue": self._queue_ms(),
            "load": rendered.load_ms,
            "denoise": rendered.denoise_ms,
            "decode": rendered.decode_ms,
            "filter": rendered.filter_ms,
        }

    def _queue_ms(self) -> int:
        started = self.job.started_at or self.job.submitted_at
        return round((started - self.job.submitted_at).total_seconds() * 1e3)

    def _order(self, inputs: list[Input], garments: list[Garment]) -> Render:
        worker = self._bench.settings
        return Render(
            job_id=str(self.job.id),
            attempt=self.job.attempt,
            spec=self.job.spec.as_dict(),
            rank=RANK[self.job.speed],
            snapshot_every=worker.snapshot_every,
            preview_every=worker.preview_every,
            inputs=inputs,
            strict=self.job.strict,
            garments=garments,
        )

    async def _fetch_and_inspect(self, source: Source) -> Drawn:
        tile = await self._sources.tile(source)
        picture = await asyncio.to_thread(pictures.native_of, tile, self.job.spec)
        await self.talk.say(self._question([picture]))
        answer = await self._hear(Inspected)
        timings = {"queue": self._queue_ms(), "filter": answer.filter_ms}
        found = await self._screened([picture], answer.findings)
        return Drawn([picture], found, answer.filter_ms, timings)

    def _question(self, shown: list[Picture]) -> Inspect:
        job = self.job
        rank = RANK[job.speed]
        return Inspect(str(job.id), shown, job.spec.checkpoint, rank=rank, strict=job.strict)

    async def _get(self, key: str) -> bytes:
        return await self._stored(lambda: self._bench.store.get(key))

    async def _hear(self, wanted: type[T]) -> T:
        """Everything the engine says on the way, until it says what was asked for."""
        while not isinstance(message := await self.talk.hear(), wanted):
            await self._heed(message)
        return message

    async def _heed(self, message: ToParent) -> None:
        match message:
            case Loading():
                await self._tell(reason=f"loading {message.checkpoint}")
            case Stepped():
                await self._progress(message)
            case Paused():
                await self._pause(message)
            case Preview():
                self._previews.offer(message)
            case Failed():
                raise Fault(message.code, message.sentence, retryable=message.retryable)
            case GivenBack():
                raise Deployed
            case _:
                log.warning("Job %s: %s was not expected.", self.job.id, type(message).__name__)

    async def _progress(self, at: Stepped) -> None:
        """Coalesced; the first step and the last are told, unless telling is what holds us up."""
        now = time.monotonic()
        if self._slow_to_tell and self.talk.behind:
            return
        if 1 < at.step < at.steps and now - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = now
        rate = at.steps_per_s
        eta_s = (at.steps - at.step) / rate if rate > 0 else None
        await self._tell(step=at.step, steps=at.steps, steps_per_s=rate, eta_s=eta_s)
        self._slow_to_tell = time.monotonic() - now > PROGRESS_EVERY_S

    async def _pause(self, at: Paused) -> None:
        reason = PAUSED if at.faster else CROWDED
        await self._tell(step=at.step, steps=at.steps, reason=reason)

    async def _tell(self, **fields: object) -> None:
        event = JobEvent(self.job.id, EventKind.PROGRESS, **fields)  # type: ignore[arg-type]
        await self._bench.events.publish(event)

    async def _deliver(self, drawn: Drawn) -> None:
        """Objects first, the row second: a row never names a file that is not there."""
        await self._check_ownership()
        began = time.monotonic()
        packed = await self._bench.packer.pack(self.job, drawn.pictures)
        try:
            await self._stored(lambda: self._publish(packed.parcels, drawn))
            await self._check_ownership()
            timings = {**drawn.timings, "deliver": round((time.monotonic() - began) * 1e3)}
            drawn = replace(drawn, timings=timings)
            await endings.succeeded(self._bench, self.job, drawn, packed)
        except Exception:
            keys = [parcel.key for parcel in packed.parcels]
            await delivery.withdraw(self._bench.store, keys)
            raise

    async def _publish(self, parcels: Sequence[delivery.Parcel], drawn: Drawn) -> None:
        store, passed = self._bench.store, drawn.findings
        await delivery.publish(store, parcels, passed=passed, drawn=drawn.pictures)

    async def _check_ownership(self) -> None:
        self.talk.check()
        try:
            mine = await endings.owned(self._bench, self.job)
        except Fault:
            return  # no answer is no loss: the commit asks again
        if not mine:
            raise OwnershipLost

    async def _stored(self, action: Callable[[], Awaitable[T]]) -> T:
        """A store that is away is tried for a minute, while the heartbeat keeps the lease. Then the slot
        is for others: the job goes back."""
        pause, patience = FIRST_PAUSE_S, STORAGE_PATIENCE_S
        while True:
            try:
                return await action()
            except Fault as fault:
                if not fault.retryable or patience <= 0:
                    raise _worded(fault) from fault
            await self.talk.pause(pause)
            patience -= pause
            pause = min(2 * pause, LONGEST_PAUSE_S)

    async def _engine_gone(self) -> None:
        if self._leaving():
            await endings.given_back(self._bench, self.job)
        else:
            await self._surrender(GONE)

    async def _surrender(self, fault: Fault) -> None:
        self.talk.surrendered = True
        await endings.surrendered(self._bench, self.job, fault)

    async def _faulted(self, fault: Fault) -> None:
        log.warning("Job %s: %s (%s)", self.job.id, fault.sentence, fault.code)
        self._bench.fuse.faulted(fault)
        then = blame.verdict(fault, attempt=self.job.attempt, crashes=self.job.crashes)
        await self.talk.drop(forget=then is Then.FAIL)
        if then is Then.GIVE_BACK:
            self._outage()
            await endings.given_back(self._bench, self.job)
        elif then is Then.CRASH:
            await self._surrender(fault)
        else:
            await endings.failed(self._bench, self.job, fault)

    async def _stop_and_give_back(self) -> None:
        """The engine stops first. If the row is still ours when Postgres is back, it was no crash."""
        self.talk.surrendered = True
        await self.talk.drop(forget=False)
        await endings.given_back(self._bench, self.job)

    async def _let_go(self) -> None:
        """Lost: stop the engine. Its snapshots stay for the next worker, unless the job is over."""
        row = await self._row()
        await self.talk.drop(forget=row is None or row.state.terminal)

    async def _row(self) -> Job | None:
        try:
            async with self._bench.database.single() as session:
                return await jobstore.load(session, self.job.id)
        except Fault:
            return self.job

    async def _try(self, ending: Awaitable[None]) -> None:
        try:
            await ending
        except OwnershipLost:
            await self._let_go()
        except Exception:
            log.exception("Job %s could not be ended here; its lease will run out.", self.job.id)


GONE = Fault("engine_gone", "The GPU process died while it had this job.", retryable=True)
UNEXPECTED = Fault("unexpected", "Something unexpected went wrong in the farm.", retryable=True)


# What a person is told when the store's no is final.
STORE_SENTENCES = {
    "storage_down": "The picture store cannot be reached. Please try again later.",
    "asset_missing": "The picture to start from is no longer in the picture store.",
}


def _worded(fault: Fault) -> Fault:
    sentence = STORE_SENTENCES.get(fault.code, fault.sentence)
    return Fault(fault.code, sentence, retryable=fault.retryable)
