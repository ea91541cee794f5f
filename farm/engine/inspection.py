"""The image filter beside the loop: its own thread, a deadline, and no as the only silent answer."""

import hashlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farm.engine.line import Line
from farm.engine.messages import Finding, Picture

log = logging.getLogger(__name__)

DEADLINE_S = 25.0  # of one inspection: the filter's own limits are stricter, the parent's is wider


class ImageFilter(Protocol):
    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]: ...


OpenFilter = Callable[[str], ImageFilter]
Then = Callable[[list[Finding], int], None]


@dataclass(slots=True)
class Inspection:
    """`then(findings, milliseconds)` is called by the loop, once, whatever happened."""

    checkpoint: str
    pictures: list[Picture]
    then: Then
    rank: int
    strict: bool = False
    began: float | None = None
    findings: list[Finding] | None = None
    taken_ms: int = 0


@dataclass(slots=True)
class Lane:
    """A thread and its work. One whose filter hangs is left behind with what it holds."""

    open_filter: OpenFilter
    clock: Callable[[], float]
    work: Line[Inspection] = field(default_factory=Line)
    pending: list[Inspection] = field(default_factory=list)
    filters: dict[str, ImageFilter] = field(default_factory=dict)


class Inspections:
    """`wake` is called from the thread when an answer lies ready.

    The thread ends with the last who holds the Inspections.
    """

    def __init__(
        self,
        open_filter: OpenFilter,
        *,
        wake: Callable[[], None],
        deadline_s: float = DEADLINE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = open_filter
        self._wake = wake
        self._deadline_s = deadline_s
        self._clock = clock
        self._lane: Lane | None = None

    @property
    def pending(self) -> bool:
        return self._lane is not None and bool(self._lane.pending)

    def open(self, checkpoint: str) -> None:
        """Before the first question; Fault when this filter cannot be trusted to answer one."""
        lane = self._lane = self._lane or self._start()
        lane.filters[checkpoint] = self._open(checkpoint)

    def ask(
        self,
        checkpoint: str,
        pictures: list[Picture],
        then: Then,
        *,
        rank: int = 1,
        strict: bool = False,
    ) -> None:
        """`strict` for pictures of a prompt from the grey zone."""
        inspection = Inspection(checkpoint, pictures, then, rank, strict)
        lane = self._lane = self._lane or self._start()
        lane.pending.append(inspection)
        lane.work.put(inspection, rank=rank)

    def collect(self) -> None:
        """Hand over every answer that is ready, and a no for what is late."""
        if self._lane is None:
            return
        self._give_up_on_late(self._lane)
        for inspection in [one for one in self._lane.pending if one.findings is not None]:
            self._lane.pending.remove(inspection)
            _hand_over(inspection)

    def _give_up_on_late(self, lane: Lane) -> None:
        # One at a time is at work, so that is the one that hangs; the others start anew.
        hung = next((one for one in lane.pending if self._is_late(one)), None)
        if hung is None:
            return
        log.error("The image filter gave no answer in %g s.", self._deadline_s)
        hung.findings = blocked(hung.pictures)
        lane.work.close()
        fresh = self._lane = self._start()
        for one in lane.pending:
            fresh.pending.append(one)
            if one.findings is None:
                fresh.work.put(one, rank=one.rank)

    def _is_late(self, one: Inspection) -> bool:
        if one.findings is not None or one.began is None:
            return False
        return self._clock() - one.began >= self._deadline_s

    def _start(self) -> Lane:
        lane = Lane(self._open, self._clock)
        weakref.finalize(self, lane.work.close)
        threading.Thread(
            target=_run, args=(lane, self._wake), name="inspections", daemon=True
        ).start()
        return lane


def _run(lane: Lane, wake: Callable[[], None]) -> None:
    while (inspection := lane.work.take()) is not None:
        started = time.perf_counter()
        inspection.began = lane.clock()
        findings = _inspect(inspection, lane)
        inspection.taken_ms = round((time.perf_counter() - started) * 1e3)
        if inspection.findings is None:
            inspection.findings = findings
        del inspection  # it holds a job, and a job holds its checkpoint
        wake()


def _inspect(inspection: Inspection, lane: Lane) -> list[Finding]:
    pictures, name = inspection.pictures, inspection.checkpoint
    try:
        if name not in lane.filters:
            lane.filters[name] = lane.open_filter(name)
        return bound(lane.filters[name].inspect(pictures, strict=inspection.strict), pictures)
    except BaseException:  # nobody means to stop this thread; it would answer no one ever after
        log.exception("The image filter of %s failed; its pictures are blocked.", name)
        return blocked(pictures)


def _hand_over(inspection: Inspection) -> None:
    assert inspection.findings is not None
    inspection.then(inspection.findings, inspection.taken_ms)


def bound(findings: list[Finding], pictures: Sequence[Picture]) -> list[Finding]:
    """The findings, if there is one for each picture's very bytes; ValueError otherwise."""
    hashes = [hashlib.sha256(picture.rgb).hexdigest() for picture in pictures]
    if [finding.sha256 for finding in findings] != hashes:
        raise ValueError("the findings are not of these pictures")
    return findings


def blocked(pictures: Sequence[Picture]) -> list[Finding]:
    return [
        Finding(picture.sha256, "block", "damaged", 1.0, "filter_failed", "none")
        for picture in pictures
    ]
