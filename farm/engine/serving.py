"""The child's loop: messages from the mailbox, then a step, until it is drained."""

import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging

from farm.engine.engine import Engine
from farm.engine.inspection import ImageFilter, Inspections
from farm.engine.mailbox import Mailbox, Outbox
from farm.engine.messages import Drain, Drop, Inspect, Ready, Render, ToChild
from farm.engine.pool import Pool
from farm.engine.snapshots import SnapshotFolder, SnapshotWriter, sweep_old
from shared.catalog import Catalog

LOOK_EVERY_S = 1.0  # at late answers of the filter, while nothing else happens


@dataclass(frozen=True, slots=True)
class Place:
    """Where this engine runs. `hashes` lists the pictures it must never show."""

    device: str
    rows: int
    threads: int
    snapshots: Path
    hashes: Path | None = None


def serve(place: Place, catalog: Catalog, mailbox: Mailbox, outbox: Outbox) -> None:
    """Until a Drain. Fault when the default checkpoint or its image filter cannot be opened."""
    diffusers_logging.disable_progress_bar()
    if place.threads:
        torch.set_num_threads(place.threads)
    inspections = Inspections(partial(_open_filter, catalog, place.hashes), wake=mailbox.wake)
    inspections.open(catalog.default)  # a filter that is broken would block every picture drawn
    pool = Pool(catalog, device=place.device)
    pool.get(catalog.default)
    folder = SnapshotFolder(place.snapshots)
    sweep_old(folder)
    engine = Engine(
        pool,
        rows=place.rows,
        snapshots=SnapshotWriter(folder),
        inspections=inspections,
        send=outbox.send,
    )
    outbox.send(Ready(place.device, _device_name(place.device), pool.warm))
    Service(engine, mailbox).run()


class Service:
    def __init__(self, engine: Engine, mailbox: Mailbox) -> None:
        self.engine = engine
        self.mailbox = mailbox
        self.leaving = False

    def run(self) -> None:
        while not self.leaving:
            for message in self.mailbox.take(self._patience()):
                self._handle(message)
            self.engine.step()

    def _patience(self) -> float | None:
        if not self.engine.idle:
            return 0
        return LOOK_EVERY_S if self.engine.inspections.pending else None

    def _handle(self, message: ToChild) -> None:
        match message:
            case Render():
                self.engine.admit(message)
            case Inspect():
                self.engine.inspect(message)
            case Drop():
                self.engine.drop(message.job_id, forget=message.forget)
            case Drain():
                self.engine.drain()
                self.leaving = True


def _open_filter(catalog: Catalog, hashes: Path | None, name: str) -> ImageFilter:
    from farm.safety.images import open_filter

    return open_filter(catalog.get(name), hashes=hashes)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
