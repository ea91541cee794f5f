"""Rough pictures of a job on its way: filtered like the final ones, shown at most one at a time."""

import asyncio
import logging

from farm import delivery
from farm.endings import Bench
from farm.engine.messages import Preview
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job

log = logging.getLogger(__name__)


class Previews:
    """Beside the job: a slow store must not slow the picture. `close` takes back what was shown."""

    def __init__(self, job: Job, bench: Bench) -> None:
        self._job = job
        self._bench = bench
        self._showing: asyncio.Task[None] | None = None
        self._keys: list[str] = []
        self._over = False

    def offer(self, preview: Preview) -> None:
        """Ignored while the one before is still on its way."""
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show(preview))

    def stop(self) -> None:
        """The picture itself is coming: nothing is shown any more."""
        self._over = True

    async def close(self) -> None:
        self.stop()
        if self._showing is not None:
            await asyncio.wait([self._showing])
        await delivery.withdraw(self._bench.store, self._keys)

    async def _show(self, preview: Preview) -> None:
        try:
            await self._try_to_show(preview)
        except Fault:
            return  # what could not be stored was only a preview
        except Exception:
            log.exception("A preview of job %s could not be made.", self._job.id)

    async def _try_to_show(self, preview: Preview) -> None:
        """All of its pictures or none: a grid with a hole says too much."""
        findings = await self._bench.watch.screen(preview.pictures, preview.findings)
        if not delivery.all_allowed(preview.pictures, findings):
            return
        parcel = await self._bench.packer.pack_preview(self._job, preview.pictures)
        self._keys.append(parcel.key)
        await delivery.publish(self._bench.store, [parcel], passed=findings, drawn=preview.pictures)
        if not self._over:
            event = JobEvent(self._job.id, EventKind.PREVIEW, step=preview.step, key=parcel.key)
            await self._bench.events.publish(event)
