"""The engine under mixed traffic against what a plain user would run, on whatever device is here.

A stream of requests of unlike steps, guidance and samplers is drawn to final latents by
- `pipeline`: diffusers' own pipeline, one request after the other,
- `static`: the same pipeline, whole requests batched, every row padded to the longest of its batch,
- `engine`: ours,
- `limit`: the engine's own forwards, called bare. No loop around them can beat it.
On a GPU pipeline and engine run a second time with their repeating blocks compiled.

All from encoded texts to final latents: what texts and pixels cost is the same for everybody. The
largest relative error against the pipeline stands beside each ratio, on a GPU with the PSNR of the
worst latents; a speed without it says nothing. A, B, C by turns in one process; each ratio is the
median of pairs of one turn.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from torch import Tensor

from shared.spec import RenderSpec
from tests.bench import contest, fullsize, sdxl
from tests.bench import device as devices
from tests.bench.contest import Contest, Trace, Turn
from tests.bench.device import Compiled
from tests.farm.engine.desk import recipe

SEED = 11
STEPS, GUIDANCES = (4, 8, 20, 28), (1.0, 5.0, 7.5)
SAMPLERS = ("euler", "ddim", "dpm++2m", "euler-a")
FLOW_SAMPLERS = ("flow-euler", "flow-dpm++2m")
FEW = 24  # requests whose pictures are compared
QUICK_S = 480.0  # no case begins later than this in a quick run


@dataclass(frozen=True)
class Case:
    """`side` of the latents, `rows` at most in a forward, and what is asked of the ratio."""

    side: int
    requests: int
    rows: int
    asked: str = ""
    model: str = "tiny"
    steps: tuple[int, ...] = STEPS

    @property
    def name(self) -> str:
        if self.model == "tiny":
            return f"tiny-{self.side}-{self.requests}-{self.rows}"
        return f"{self.model}-{self.side * fullsize.SCALE}"


@dataclass
class Found:
    """`ceiling` is the share of the device's arithmetic that the engine used; `host_ms` a step's."""

    case: Case
    turns: list[Turn] = field(default_factory=list)
    error: float = 0.0
    psnr: float = math.inf
    occupancy: float = 0.0
    ceiling: float = math.nan
    host_ms: float = math.nan
    launch_ms: float = math.nan

    def ratio(self, above: str, below: str) -> float:
        pairs = [one[above] / one[below] for one in self.turns if {above, below} <= one.keys()]
        return statistics.median(pairs) if pairs else math.nan


CPU_CASES = (
    Case(8, 24, 16),
    Case(8, 24, 32, ">= 4.0x, >= 95% of the limit"),
    Case(8, 200, 32, ">= 4.0x, >= 95% of the limit"),
    Case(16, 24, 32, ">= 1.8x"),
    Case(32, 24, 32, ">= 1.1x"),
)
GPU_CASES = (
    Case(64, 24, 32, ">= 3.0x", "sd15"),
    Case(64, 24, 32, ">= 2.5x", "sdxl"),
    Case(128, 24, 16, ">= 2.0x, >= 50% of the ceiling", "sdxl"),
    Case(128, 16, 16, "", "sd3"),
    Case(64, 16, 16, ">= 2.5x", "flux"),
    Case(128, 8, 8, ">= 1.3x, compiled >= 0.98x of compiled", "flux"),
)
LEFT_OUT_QUICK = ("sd3-1024",)


def main(arguments: Sequence[str] = ()) -> list[Found]:
    options = _options(arguments)
    bench = Bench(options.device, turns=options.turns, compiles=options.compile)
    diffusers_logging.disable_progress_bar()
    bench.open()
    found = []
    for case in _cases(options):
        if options.quick and time.monotonic() - bench.began > QUICK_S:
            print(f"{case.name} is left out: a quick run ends here")
            continue
        found.append(bench.compare(case))
    if options.json:
        options.json.write_text(json.dumps(_plain(bench.report(found)), indent=1))
    return found


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    here = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser("python -m tests.bench.engine", description=__doc__)
    parser.add_argument("--device", default=here, help="cpu, cuda, cuda:1")
    parser.add_argument("--cases", nargs="+", default=(), help="names, such as sdxl-1024")
    parser.add_argument("--turns", type=int, default=0, help="of each case; 5 on a CPU, 3 on a GPU")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter requests, one turn")
    parser.add_argument("--eager", dest="compile", action="store_false", help="compile nothing")
    parser.add_argument("--json", type=Path, help="a file for all that was found")
    options = parser.parse_args(arguments)
    on_gpu = options.device.startswith("cuda")
    options.compile = options.compile and on_gpu
    options.turns = options.turns or (1 if options.quick else 3 if on_gpu else 5)
    return options


def _cases(options: argparse.Namespace) -> list[Case]:
    known = GPU_CASES if options.device.startswith("cuda") else CPU_CASES
    unknown = set(options.cases) - {case.name for case in known}
    if unknown:
        raise SystemExit(
            f"no case {min(unknown)}; there are {', '.join(one.name for one in known)}"
        )
    wanted = [case for case in known if not options.cases or case.name in options.cases]
    if not options.quick:
        return wanted
    return [_shortened(case) for case in wanted if case.name not in LEFT_OUT_QUICK]


def _shortened(case: Case) -> Case:
    return replace(case, requests=min(8, case.requests), steps=(2, 4, 6, 8))


class Bench:
    """On one device, which is asked once what it can do at best."""

    def __init__(self, device: str, *, turns: int, compiles: bool) -> None:
        self.device = device
        self.on_gpu = device.startswith("cuda")
        self.dtype = torch.bfloat16 if self.on_gpu else torch.float32
        self.turns = turns
        self.compiles = compiles
        self.best = math.nan
        self.began = time.monotonic()

    def open(self) -> None:
        if not self.on_gpu:
            torch.set_num_threads(1)
            print(f"tiny SDXL, n {self.turns} turns, seed {SEED}, 1 thread, float32")
            print(
                f"{'latents':>8} {'jobs':>5} {'rows':>5} {'engine':>8} {'static':>8} {'limit':>8} "
                f"{'of limit':>9} {'filled':>7} {'error':>8} {'load':>5}  asked"
            )
            return
        self.best = devices.ceiling(self.device, self.dtype)
        print(
            f"{self.name}, {self.best / 1e12:.0f} TFLOP/s in a product, random weights, bfloat16, "
            f"n {self.turns} turns, seed {SEED}, torch {torch.__version__}"
        )
        print(
            f"{'case':>10} {'jobs':>5} {'rows':>5} {'engine':>8} {'static':>8} {'limit':>8} "
            f"{'of limit':>9} {'filled':>7} {'ceiling':>8} {'compiled':>9} {'vs eager':>9} "
            f"{'host ms':>8} {'launch':>7} {'error':>8} {'PSNR':>6}  asked"
        )

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.on_gpu else "cpu"

    def report(self, found: Sequence[Found]) -> dict[str, Any]:
        known = {"device": self.name, "torch": torch.__version__, "seed": SEED, "best": self.best}
        return known | {"cases": [asdict(one) | {"name": one.case.name} for one in found]}

    def compare(self, case: Case) -> Found:
        place, specs = self._place(case), mixed(case)
        compiled = _compiled(place.family) if self.compiles else None
        found, trace = Found(case), Trace()
        with contest.traced(place.family, trace):
            ours, _, found.occupancy = contest.engine(
                place, specs, rows=case.rows, device=self.device
            )
        self._check(found, place, ours, specs)
        if self.on_gpu:
            found.host_ms, found.launch_ms = contest.host(place, specs[0], self.device)
        turn = Contest(
            place, specs, rows=case.rows, device=self.device, trace=trace, compiled=compiled
        )
        if self.on_gpu:
            turn.run()  # each shape once, untimed: kernels are chosen and blocks compiled
        found.turns = [turn.run() for _ in range(self.turns)]
        found.ceiling = self._share(place, trace, found)
        print(self.line(found), flush=True)
        return found

    def _place(self, case: Case) -> Any:
        if case.model == "tiny":
            return sdxl.place(case.side)
        return _full(case.model, self.device, self.dtype)

    def _check(self, found: Found, place: Any, ours: list[Tensor], specs: list[RenderSpec]) -> None:
        for spec, one in zip(specs[:FEW], ours, strict=False):
            theirs = contest.pipeline(place, [spec])
            found.error = max(found.error, contest.error(one, theirs))
            found.psnr = min(found.psnr, contest.psnr(one, theirs))

    def _share(self, place: Any, trace: Trace, found: Found) -> float:
        """Of the ceiling: operations of all forwards over what the device could have done."""
        if not self.on_gpu:
            return math.nan
        asked = max(trace, key=lambda one: len(one[0]))
        each = devices.operations(lambda: place.family.denoise(*asked)) / len(asked[0])
        rows = sum(len(one[0]) for one in trace)
        took = statistics.median(min(one["engine"], _compiled_s(one)) for one in found.turns)
        return each * rows / took / self.best

    def line(self, found: Found) -> str:
        case, ratio = found.case, found.ratio
        same = (
            f"{case.requests:>5} {case.rows:>5} "
            f"{ratio('pipeline', 'engine'):>7.2f}x {ratio('pipeline', 'static'):>7.2f}x "
            f"{ratio('pipeline', 'limit'):>7.2f}x {ratio('limit', 'engine'):>9.0%} "
            f"{found.occupancy:>7.0%} "
        )
        if not self.on_gpu:
            tail = f"{found.error:>8.0e} {os.getloadavg()[0]:>5.1f}  {case.asked}"
            return f"{case.side:>5}x{case.side:<2} {same}{tail}"
        return (
            f"{case.name:>10} {same}{found.ceiling:>8.0%} "
            f"{ratio('compiled pipeline', 'compiled engine'):>8.2f}x "
            f"{ratio('pipeline', 'compiled engine'):>8.2f}x "
            f"{found.host_ms:>8.2f} {found.launch_ms:>7.1f} "
            f"{found.error:>8.0e} {found.psnr:>6.1f}  {case.asked}"
        )


def _plain(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@lru_cache(maxsize=1)  # the next model takes the room of the one before
def _full(model: str, device: str, dtype: torch.dtype) -> fullsize.Place:
    return fullsize.place(model, device=device, dtype=dtype)


@lru_cache(maxsize=1)
def _compiled(family: Any) -> Compiled:
    return Compiled(family)


def _compiled_s(turn: Turn) -> float:
    return turn.get("compiled engine", math.inf)


def mixed(case: Case) -> list[RenderSpec]:
    dice = Random(SEED)
    flow, scale = case.model in ("sd3", "flux"), sdxl.SCALE
    if case.model != "tiny":
        scale = fullsize.SCALE
    return [
        recipe(
            f"{dice.choice(('a red boat', 'a blue house', 'a cat'))}",
            checkpoint=sdxl.NAME,
            seed=100 + number,
            images=1,
            width=scale * case.side,
            height=scale * case.side,
            steps=dice.choice(case.steps),
            guidance=dice.choice(GUIDANCES),
            sampler=dice.choice(FLOW_SAMPLERS if flow else SAMPLERS),
        )
        for number in range(case.requests)
    ]


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
