"""Requests drawn by diffusers' pipeline and by the engine, by turns, and how far apart they end."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from farm.engine.samplers import build_scheduler
from shared.spec import RenderSpec
from tests.bench import device as devices
from tests.bench.device import Compiled
from tests.farm.engine.desk import Desk

STEADY = 16  # rows whose steps' host time is taken
Trace = list[tuple[Any, ...]]
Turn = dict[str, float]  # seconds, by who drew


@dataclass(frozen=True)
class Contest:
    place: Any
    specs: list[RenderSpec]
    rows: int
    device: str
    trace: Trace
    compiled: Compiled | None = None

    def run(self) -> Turn:
        turn = self._both("")
        turn["static"] = self._timed(self._static)
        turn["limit"] = self._timed(self._bare)
        if self.compiled is not None:
            with self.compiled:
                turn |= self._both("compiled ")
        return turn

    def _both(self, prefix: str) -> Turn:
        theirs = self._timed(lambda: [pipeline(self.place, [spec]) for spec in self.specs])
        _, ours, _ = engine(self.place, self.specs, rows=self.rows, device=self.device)
        return {f"{prefix}pipeline": theirs, f"{prefix}engine": ours}

    def _timed(self, work: Callable[[], object]) -> float:
        return devices.seconds(work, self.device)

    def _static(self) -> None:
        """Whole requests in the order they came: a batch has one guidance and lasts as its longest."""
        size = self.rows // 2
        for start in range(0, len(self.specs), size):
            batch = self.specs[start : start + size]
            pipeline(self.place, batch, steps=max(spec.steps for spec in batch))

    @torch.inference_mode()
    def _bare(self) -> None:
        for asked in self.trace:
            self.place.family.denoise(*asked)


# --- ours ----------------------------------------------------------------------------------------


def engine(
    place: Any, specs: Sequence[RenderSpec], *, rows: int, device: str
) -> tuple[list[Tensor], float, float]:
    """Final latents of every request, seconds, and how full the forwards were."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(place.pool, Path(folder), rows=rows)
        finals: dict[str, Tensor] = {}
        vars(desk.engine.finishing)["begin"] = lambda job: finals.update({job.id: _final(job)})
        devices.wait(device)
        started = time.perf_counter()
        for number, spec in enumerate(specs):
            desk.admit(spec, f"job-{number}", wait=False)
        full = _drive(desk, rows)
        devices.wait(device)
        took = time.perf_counter() - started
    return [finals[f"job-{number}"] for number in range(len(specs))], took, full


def _drive(desk: Desk, rows: int) -> float:
    """Until all are drawn. Mean share of the allowed rows while more were waiting than fit."""
    engine, filled = desk.engine, list[float]()
    while engine.entrance.preparing or engine.running:
        before = engine.counts["rows"]
        if engine.idle:  # as the service does: a loop that spins would slow the preparation down
            desk.woken.wait(0.05)
            desk.woken.clear()
        engine.step()
        if engine.order.pressed:
            filled.append((engine.counts["rows"] - before) / rows)
    return statistics.mean(filled) if filled else float("nan")


def _final(job: Any) -> Tensor:
    return torch.cat([one.latents for one in job.trajectories])


def host(place: Any, spec: RenderSpec, device: str, *, steps: int = 20) -> tuple[float, float]:
    """Milliseconds of this thread's own work in a step of STEADY rows, the device waited for before
    it: outside the model's calls, and inside them (kernels being launched). Medians."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(place.pool, Path(folder), rows=STEADY)
        vars(desk.engine.finishing)["begin"] = lambda job: None
        for number in range(STEADY):
            one = replace(spec, seed=number, guidance=5.0, steps=steps + 5)
            desk.admit(one, f"job-{number}")
        desk.steps(3)  # as many of them as fit, guided or not
        with _launching(place.family) as spent:
            found = [_host_of(desk, spent, device) for _ in range(steps)]
    apart, inside = zip(*found, strict=True)
    return statistics.median(apart), statistics.median(inside)


def _host_of(desk: Desk, spent: list[float], device: str) -> tuple[float, float]:
    devices.wait(device)
    before, started = spent[0], time.thread_time()
    desk.engine.step()
    took, inside = time.thread_time() - started, spent[0] - before
    return (took - inside) * 1e3, inside * 1e3


@contextmanager
def _launching(family: Any) -> Iterator[list[float]]:
    """This thread's seconds inside the model, in the first place of the list."""
    spent = [0.0]

    def timed(denoise: Callable[..., Tensor], *asked: Any) -> Tensor:
        started = time.thread_time()
        answer = denoise(*asked)
        spent[0] += time.thread_time() - started
        return answer

    with _around(family, timed):
        yield spent


# --- the others ----------------------------------------------------------------------------------


@torch.inference_mode()
def pipeline(place: Any, specs: Sequence[RenderSpec], steps: int = 0) -> Tensor:
    """One call of diffusers' own, on texts that are encoded already."""
    first, theirs = specs[0], place.pipeline
    theirs.scheduler = build_scheduler(first.sampler, place.family.config)
    texts = [place.texts(spec) for spec in specs]
    told = {name: torch.cat([one[name] for one in texts]) for name in texts[0]}
    latents: Tensor = theirs(
        **told,
        width=first.width,
        height=first.height,
        num_inference_steps=steps or first.steps,
        guidance_scale=max(spec.guidance for spec in specs),
        generator=[torch.Generator("cpu").manual_seed(spec.seed) for spec in specs],
        output_type="latent",
    ).images
    return latents


@contextmanager
def traced(family: Any, trace: Trace) -> Iterator[None]:
    """Keep every call of the model, to make it again without a loop around it."""

    def recorded(denoise: Callable[..., Tensor], *asked: Any) -> Tensor:
        trace.append(asked)
        return denoise(*asked)

    with _around(family, recorded):
        yield


@contextmanager
def _around(family: Any, call: Callable[..., Tensor]) -> Iterator[None]:
    denoise = family.denoise
    family.denoise = lambda *asked: call(denoise, *asked)
    try:
        yield
    finally:
        del family.denoise


# --- parity --------------------------------------------------------------------------------------


def error(ours: Tensor, theirs: Tensor) -> float:
    apart = ours.reshape(theirs.shape).float() - theirs.float()
    return (apart.abs().max() / theirs.abs().max()).item()


def psnr(ours: Tensor, theirs: Tensor) -> float:
    """Decibels, of latents: from the least to the greatest of them is the peak."""
    square = (ours.reshape(theirs.shape).float() - theirs.float()).square().mean()
    peak = (theirs.max() - theirs.min()).float()
    return math.inf if not square else (10 * (peak.square() / square).log10()).item()
