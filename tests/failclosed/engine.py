"""A child in this process: it draws noise, and asks the real inspections about every picture."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

from farm.engine.inspection import Inspections
from farm.engine.messages import (
    Finding,
    Inspect,
    Inspected,
    Picture,
    Preview,
    Ready,
    Render,
    Rendered,
    ToChild,
    ToParent,
)
from tests.failclosed.troubles import (
    CHILD,
    KILLED,
    PATIENT_S,
    STUCK,
    STUCK_S,
    UNMARKED,
    UNSIGNED,
    Filters,
)

COLLECT_EVERY_S = 0.02
SIDE = 16


class Engine:
    """`trouble_of` says by a job's id what goes wrong with it."""

    def __init__(self, filters: Filters, trouble_of: Callable[[str], str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._trouble_of = trouble_of
        self._patient = Inspections(filters.open, wake=self._wake, deadline_s=PATIENT_S)
        self._hasty = Inspections(filters.open, wake=self._wake, deadline_s=STUCK_S)
        self._out: asyncio.Queue[ToParent | None] = asyncio.Queue()
        self._out.put_nowait(Ready("cpu", "failclosed", ["postcards"]))
        self._collecting = asyncio.create_task(self._collect())

    @property
    def pid(self) -> int:
        return 0

    async def send(self, message: ToChild) -> None:
        if isinstance(message, Render):
            self._render(message)
        elif isinstance(message, Inspect):
            self._ask(message.job_id, message.pictures, self._inspected(message), message.strict)

    async def messages(self) -> AsyncIterator[ToParent]:
        while (message := await self._out.get()) is not None:
            yield message

    async def close(self) -> int:
        self._collecting.cancel()
        return 0

    def kill(self) -> None:
        self._out.put_nowait(None)

    def _render(self, render: Render) -> None:
        pictures = [
            _noise(render.job_id, index) for index in range(int(str(render.spec["images"])))
        ]
        if self._trouble_of(render.job_id) not in (
            UNMARKED,
            UNSIGNED,
        ):  # rough pictures are neither
            self._ask(render.job_id, pictures, self._shown(render, pictures), render.strict)
        self._ask(render.job_id, pictures, self._drawn(render, pictures), render.strict)

    def _ask(
        self,
        job_id: str,
        pictures: list[Picture],
        then: Callable[[list[Finding]], ToParent],
        strict: bool,
    ) -> None:
        trouble = self._trouble_of(job_id)
        say = CHILD.get(trouble, list)

        def deliver(findings: list[Finding], _: int) -> None:
            self._out.put_nowait(None if trouble == KILLED else then(say(findings)))

        inspections = self._hasty if trouble == STUCK else self._patient
        inspections.ask(trouble, pictures, deliver, strict=strict)

    def _look(self) -> None:
        self._patient.collect()
        self._hasty.collect()

    @staticmethod
    def _inspected(asked: Inspect) -> Callable[[list[Finding]], ToParent]:
        return lambda findings: Inspected(asked.job_id, findings, filter_ms=1)

    @staticmethod
    def _shown(render: Render, pictures: list[Picture]) -> Callable[[list[Finding]], ToParent]:
        return lambda findings: Preview(render.job_id, 3, pictures, findings)

    @staticmethod
    def _drawn(render: Render, pictures: list[Picture]) -> Callable[[list[Finding]], ToParent]:
        times = dict.fromkeys(("load_ms", "denoise_ms", "decode_ms", "filter_ms"), 1)
        return lambda findings: Rendered(
            render.job_id, render.attempt, pictures, findings, gpu_ms=9, resumed_from=0, **times
        )

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # a filter that hung answers when all is over
            self._loop.call_soon_threadsafe(self._look)

    async def _collect(self) -> None:
        """What hangs wakes nobody: somebody must look."""
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            self._look()


def _noise(job_id: str, index: int) -> Picture:
    rgb = Random(f"{job_id} {index}").randbytes(SIDE * SIDE * 3)
    digest = hashlib.sha256(rgb).hexdigest()
    return Picture(index, SIDE, SIDE, rgb, sha256=digest, seed=index)


def spec_changes() -> dict[str, Any]:
    return {"width": SIDE, "height": SIDE, "images": 2, "scale": 1}
