"""The child's loop: messages from the mailbox, then a step, until it is drained."""

import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging

from farm.engine.engine import Engine
from farm.engine.heap import keep_freed_memory
from farm.engine.inspection import ImageFilter, Inspections, OpenFilter
from farm.engine.mailbox import Mailbox, Outbox
from farm.engine.memory.household import DEVICE
from farm.engine.memory.pool import Pool
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    GivenBack,
    Inspect,
    Ready,
    Render,
    Stock,
    ToChild,
)
from farm.engine.reporting import EVERY_S, Reporter
from farm.engine.snapshots import SnapshotFolder, SnapshotWriter, sweep_old
from farm.engine.stockroom import Stockroom
from farm.engine.watchdog import Watchdog
from shared.catalog import Catalog
from shared.errors import Fault

LOOK_EVERY_S = 1.0  # at late answers of the filter and at memory, while nothing else happens


@dataclass(frozen=True, slots=True)
class Place:
    """Where this engine runs. `detectors` declares image detectors.

    `vram` and `host` are bytes for checkpoints on the device and for copies of them beside it; None
    for what is found free.
    """

    device: str
    rows: int
    threads: int
    snapshots: Path
    detectors: Path | None = None
    vram: int | None = None
    host: int | None = None


def serve(place: Place, catalog: Catalog, mailbox: Mailbox, outbox: Outbox) -> None:
    """Until a Drain. Fault when the hot checkpoints or the image filter cannot be opened, or when the
    device turned out to be sick."""
    diffusers_logging.disable_progress_bar()
    if place.threads:
        torch.set_num_threads(place.threads)
    if place.device == "cpu":
        keep_freed_memory()
    if place.device.startswith("cuda"):  # pinned memory is the first GPU's unless it is told
        torch.cuda.set_device(torch.device(place.device).index or 0)
    inspections = Inspections(_filters(place, catalog), wake=mailbox.wake)
    inspections.open(catalog.default)  # a filter that is broken would block every picture drawn
    pool = Pool(catalog, device=place.device, budget=place.vram, host=place.host)
    pool.open()
    folder = SnapshotFolder(place.snapshots)
    sweep_old(folder)
    engine = Engine(
        pool,
        rows=place.rows,
        snapshots=SnapshotWriter(folder),
        inspections=inspections,
        send=outbox.send,
        wake=mailbox.wake,
    )
    outbox.send(_ready(place, pool))
    watchdog = Watchdog()
    watchdog.start()
    Service(engine, mailbox, watchdog).run()
    if engine.sick:
        raise Fault(
            "device_sick", "The device breaks one picture after another; have it looked at."
        )


class Service:
    def __init__(self, engine: Engine, mailbox: Mailbox, watchdog: Watchdog) -> None:
        self.engine = engine
        self.mailbox = mailbox
        self.watchdog = watchdog
        self.reporter = Reporter(engine)
        wardrobe = engine.entrance.preparation.wardrobe
        self.stockroom = Stockroom(engine.pool, wardrobe, engine.send)
        self.leaving = False

    def run(self) -> None:
        while not self.leaving:
            for message in self.mailbox.take(self._patience()):
                self._handle(message)
            self._step()
            self.reporter.look()
        for message in self.mailbox.take(0):  # what was on its way when we left
            self._handle(message)
        self.reporter.tell()

    def _step(self) -> None:
        self.watchdog.begins(time.monotonic())
        self.engine.step()
        self.watchdog.ends(time.monotonic())
        if self.engine.sick and not self.leaving:
            self._handle(Drain())

    def _patience(self) -> float:
        if not self.engine.idle:
            return 0
        if self.engine.busy_beside or self.reporter.behind:
            return LOOK_EVERY_S
        self.engine.pool.idle()
        return EVERY_S

    def _handle(self, message: ToChild) -> None:
        match message:
            case Render() if self.leaving:
                self.engine.send(GivenBack(message.job_id, message.attempt, 0))
            case Render():
                self.engine.admit(message)
            case Inspect():
                self.engine.inspect(message)
            case Drop():
                self.engine.drop(message.job_id, forget=message.forget)
            case Expect():
                self.engine.expect(message)
            case Stock():
                self.engine.let_go()
                self.stockroom.take(message)
            case Drain():
                self.engine.drain()
                self.leaving = True


def _ready(place: Place, pool: Pool) -> Ready:
    """With the device's memory: the first job must not be placed by a guess."""
    report = pool.report()
    return Ready(
        place.device,
        _device_name(place.device),
        pool.warm,
        vram_bytes=report.budget[DEVICE],
        free_bytes=report.free[DEVICE],
    )


def _filters(place: Place, catalog: Catalog) -> OpenFilter:
    """Opens the filter of a checkpoint. Fault when the declared detectors cannot be read."""
    from farm.safety.declarations import read_declarations
    from farm.safety.images import open_filter

    declared = read_declarations(place.detectors)

    def open_by_name(name: str) -> ImageFilter:
        return open_filter(catalog.get(name), declared=declared, device=place.device)

    return open_by_name


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
